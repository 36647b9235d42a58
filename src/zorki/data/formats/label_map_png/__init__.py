"""A map of numbers for each image, another number for each object."""

PROVIDES = {"instances"}
WRITES = {"instances"}
PRECEDENCE = 110
