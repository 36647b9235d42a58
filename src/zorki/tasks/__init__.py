"""One folder a task; each tells the same story in the same file names."""
