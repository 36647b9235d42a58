"""What several segmentation networks are built of."""
