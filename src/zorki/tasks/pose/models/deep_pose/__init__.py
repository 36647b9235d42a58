"""DeepPose and its parts."""
