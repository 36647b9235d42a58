"""Faster R-CNN and its region proposal network."""
