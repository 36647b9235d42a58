"""Networks for semantic segmentation, one file a method."""
