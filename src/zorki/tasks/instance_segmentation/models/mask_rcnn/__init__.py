"""Mask R-CNN and its mask head."""
