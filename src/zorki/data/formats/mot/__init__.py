"""Sequences of the MOT challenge (Leal-Taixe et al., 2015): NAME/img1/000001.jpg and gt/gt.txt, of many objects."""

PROVIDES = {"tracks"}
PRECEDENCE = 34
