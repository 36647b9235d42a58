"""CVAT's XML for images."""

PROVIDES = {"boxes", "instances", "keypoints"}
WRITES = {"boxes", "keypoints"}
PRECEDENCE = 40
DRAWN = True
