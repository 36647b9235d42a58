"""SiamFC (Bertinetto et al., 2016), and what it is made of."""
