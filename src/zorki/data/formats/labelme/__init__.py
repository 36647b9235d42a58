"""labelme's JSON, a file an image."""

PROVIDES = {"boxes", "instances"}
WRITES = {"boxes", "instances"}
PRECEDENCE = 50
DRAWN = True
