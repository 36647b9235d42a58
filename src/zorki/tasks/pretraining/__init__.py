"""Self-supervised pretraining: a backbone learned from images without labels."""
