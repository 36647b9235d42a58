"""Pascal VOC's folders (Everingham et al., 2010): XML files of boxes, masks of objects and of classes."""

PROVIDES = {"boxes", "instances", "masks"}
WRITES = {"boxes", "instances", "masks"}
PRECEDENCE = 20
