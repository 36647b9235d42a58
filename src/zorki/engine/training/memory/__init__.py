"""What of a training fits into the device's memory."""
