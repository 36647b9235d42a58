"""Instance segmentation: which objects are in the image, and which pixels are of each."""
