"""Sequences of the Object Tracking Benchmark (Wu, Lim and Yang, 2015): NAME/img/0001.jpg and groundtruth_rect.txt."""

PROVIDES = {"tracks"}
PRECEDENCE = 30
