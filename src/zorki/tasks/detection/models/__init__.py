"""The detectors, one file a method."""
