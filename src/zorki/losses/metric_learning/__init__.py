"""Losses that compare samples: embeddings of one class near each other, those of others far apart."""
