"""The methods of self-supervised pretraining, one file each."""
