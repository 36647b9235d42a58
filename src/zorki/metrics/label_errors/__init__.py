"""Annotations that a model disagrees with so surely that they may be wrong."""
