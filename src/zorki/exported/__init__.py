"""Exported files: what they say of themselves, what runs them, and how their outputs become predictions, in numpy."""
