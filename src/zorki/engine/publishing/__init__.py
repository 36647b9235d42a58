"""Runs for others: the model card, facts without private paths, and the upload to a hub."""
