"""Sequences of the VOT challenge (Kristan et al., 2016): NAME/color/00000001.jpg and groundtruth.txt with polygons."""

PROVIDES = {"tracks"}
PRECEDENCE = 32
