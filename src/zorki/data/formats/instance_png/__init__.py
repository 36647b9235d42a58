"""A PNG for each object."""

PROVIDES = {"instances"}
WRITES = {"instances"}
PRECEDENCE = 100
