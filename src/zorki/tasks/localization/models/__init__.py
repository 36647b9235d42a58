"""The methods of localization, one file each."""
