"""Reads Python without running it; imports nothing of the other packages."""
