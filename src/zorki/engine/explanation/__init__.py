"""What a network looked at: maps over an image for a number that the network gives it, and whether to believe them."""
