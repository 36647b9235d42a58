"""Label Studio's JSON export."""

PROVIDES = {"boxes", "instances", "keypoints", "labels"}
WRITES = {"boxes", "instances"}
PRECEDENCE = 62
DRAWN = True
