"""Checks that find what would go wrong before it does."""
