"""COCO's JSON (Lin et al., 2014)."""

PROVIDES = {"boxes", "instances"}
WRITES = {"boxes", "instances"}
PRECEDENCE = 10
