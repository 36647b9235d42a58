"""R-CNN and its support vector machines."""
