"""Classification: which of K classes does the image show?"""
