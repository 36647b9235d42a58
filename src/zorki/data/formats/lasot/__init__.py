"""Sequences of LaSOT (Fan et al., 2019): CLASS/CLASS-1/img/00000001.jpg and groundtruth.txt."""

PROVIDES = {"tracks"}
PRECEDENCE = 31
