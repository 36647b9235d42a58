"""SSD and its parts."""
