"""Videos: opened, decoded from any moment on, and held as films of several layouts."""
