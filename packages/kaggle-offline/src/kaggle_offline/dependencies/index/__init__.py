"""Package indexes: the files of distributions, their metadata, and downloads."""
