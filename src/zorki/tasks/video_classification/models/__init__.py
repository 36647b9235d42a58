"""Networks for video classification, one file a method."""
