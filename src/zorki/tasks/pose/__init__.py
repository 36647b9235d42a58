"""Pose: where is each joint of each object?"""
