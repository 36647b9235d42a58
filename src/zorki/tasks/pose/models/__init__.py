"""The methods that find joints, one file or folder a method."""
