"""Apple's CreateML: JSON lists of images with boxes."""

PROVIDES = {"boxes"}
PRECEDENCE = 64
