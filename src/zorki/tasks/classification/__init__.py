"""Classification: which of K classes does the picture show?"""
