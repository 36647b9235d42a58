"""What several detectors are built of: target assignment, heads, regions, NMS."""
