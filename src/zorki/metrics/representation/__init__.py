"""What features hold, and how they lie."""
