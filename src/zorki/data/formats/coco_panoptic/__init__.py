"""COCO's panoptic JSON (Kirillov et al., 2019): masks of things and stuff in PNGs."""

PROVIDES = {"boxes", "instances", "masks"}
PRECEDENCE = 15
