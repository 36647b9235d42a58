"""Video classification: what happens in a film?"""
