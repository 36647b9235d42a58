"""SPP-net and its pooling."""
