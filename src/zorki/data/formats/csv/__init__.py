"""Tables: of paths with labels, or of boxes (TensorFlow's, OpenImages')."""

PROVIDES = {"boxes", "labels"}
PRECEDENCE = 70
