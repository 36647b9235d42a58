"""Retrieval: images that show the same thing lie near each other."""
