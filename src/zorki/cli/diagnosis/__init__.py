"""Verbs that look into a network and its training."""
