"""Detection: what is where? A box, a class and a score for every object."""
