"""YOLO's text files of boxes and polygons."""

PROVIDES = {"boxes", "instances", "keypoints"}
WRITES = {"boxes", "instances", "keypoints"}
PRECEDENCE = 30
