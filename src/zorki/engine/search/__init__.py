"""Search among images by their embeddings: an index with its network, identification, verification, duplicates."""
