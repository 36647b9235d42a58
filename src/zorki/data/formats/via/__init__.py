"""VGG Image Annotator's JSON."""

PROVIDES = {"boxes", "instances"}
WRITES = {"boxes", "instances"}
PRECEDENCE = 60
DRAWN = True
ATTRIBUTES = True
