"""D-FINE and its parts."""
