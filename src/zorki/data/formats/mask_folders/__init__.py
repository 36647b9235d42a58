"""Images beside masks of classes."""

PROVIDES = {"masks"}
WRITES = {"masks"}
PRECEDENCE = 120
