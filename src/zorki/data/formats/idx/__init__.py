"""IDX files, as MNIST has them."""

PROVIDES = {"labels"}
PRECEDENCE = 80
