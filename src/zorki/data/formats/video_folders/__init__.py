"""A folder for each class, with films in it: videos, folders of frames, or strips of frames."""

PROVIDES = {"clips"}
PRECEDENCE = 95
