"""How a network is computed quickest on the machine at hand: memory format, precision and threads, by timed steps."""
