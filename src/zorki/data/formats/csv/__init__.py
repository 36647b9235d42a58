"""Tables: of paths with labels, of parts of videos, or of boxes (TensorFlow's, OpenImages')."""

PROVIDES = {"boxes", "clips", "keypoints", "labels"}
WRITES = {"keypoints"}
PRECEDENCE = 70
