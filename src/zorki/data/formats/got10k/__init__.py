"""Sequences of GOT-10k (Huang, Zhao and Huang, 2019): NAME/00000001.jpg and groundtruth.txt."""

PROVIDES = {"tracks"}
PRECEDENCE = 33
