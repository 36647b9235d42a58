"""Predictions for many images, in shards: whole files that a stopped process leaves, and another goes on from."""
