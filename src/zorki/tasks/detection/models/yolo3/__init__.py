"""YOLO v3 and its anchors."""
