"""The methods of retrieval, one file each."""
