"""Semantic segmentation: of which class is each pixel?"""
