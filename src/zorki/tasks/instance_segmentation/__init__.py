"""Instance segmentation: which objects are in the picture, and which pixels are of each."""
