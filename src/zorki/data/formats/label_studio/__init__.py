"""Label Studio's JSON export."""

PROVIDES = {"boxes", "instances", "keypoints", "labels"}
WRITES = {"boxes", "instances", "keypoints"}
PRECEDENCE = 62
DRAWN = True
