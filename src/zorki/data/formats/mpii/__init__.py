"""MPII's joints as JSON (Andriluka et al., 2014)."""

PROVIDES = {"keypoints"}
WRITES = {"keypoints"}
PRECEDENCE = 18
