"""MPII's joints as JSON (Andriluka et al., 2014)."""

PROVIDES = {"keypoints"}
PRECEDENCE = 18
