"""CVAT's XML for images."""

PROVIDES = {"boxes", "instances", "keypoints"}
WRITES = {"boxes", "instances", "keypoints"}
PRECEDENCE = 40
DRAWN = True
