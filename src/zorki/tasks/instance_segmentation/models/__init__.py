"""Networks for instance segmentation, one file a method."""
