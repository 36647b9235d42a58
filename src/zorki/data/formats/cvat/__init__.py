"""CVAT's XML for images."""

PROVIDES = {"boxes", "instances"}
PRECEDENCE = 40
DRAWN = True
