"""Losses of learning without labels: between views of images."""
