"""FC-DenseNet and its dense blocks."""
