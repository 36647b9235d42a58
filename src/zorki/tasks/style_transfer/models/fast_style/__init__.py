"""Johnson et al. (2016): a network is trained for one style, and what it is made of."""
