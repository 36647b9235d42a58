"""DETR and its parts."""
