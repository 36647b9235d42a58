"""YOLO's text files of boxes and polygons."""

PROVIDES = {"boxes", "instances"}
WRITES = {"boxes", "instances"}
PRECEDENCE = 30
