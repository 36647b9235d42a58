"""The classifiers of the textbooks, one file each."""
