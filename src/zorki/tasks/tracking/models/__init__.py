"""Methods of tracking, a file each."""
