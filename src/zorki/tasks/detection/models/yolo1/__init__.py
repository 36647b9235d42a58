"""YOLO v1 and its parts."""
