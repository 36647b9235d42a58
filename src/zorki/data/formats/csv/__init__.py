"""Tables: of paths with labels, or of boxes (TensorFlow's, OpenImages')."""

PROVIDES = {"boxes", "keypoints", "labels"}
WRITES = {"keypoints"}
PRECEDENCE = 70
