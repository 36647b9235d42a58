"""COCO's JSON (Lin et al., 2014)."""

PROVIDES = {"boxes", "instances", "keypoints"}
WRITES = {"boxes", "instances", "keypoints"}
PRECEDENCE = 10
