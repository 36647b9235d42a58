"""Tracking: where does an object go that was shown in the first frame of a video?"""
