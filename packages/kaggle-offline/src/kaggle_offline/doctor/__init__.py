"""Checks that find problems before they cost a submission."""
