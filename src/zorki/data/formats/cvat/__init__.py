"""CVAT's XML for images."""

PROVIDES = {"boxes", "instances", "keypoints"}
WRITES = {"keypoints"}
PRECEDENCE = 40
DRAWN = True
