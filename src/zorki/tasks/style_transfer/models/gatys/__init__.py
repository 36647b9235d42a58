"""Gatys et al. (2015): an image is optimized; and what that takes."""
