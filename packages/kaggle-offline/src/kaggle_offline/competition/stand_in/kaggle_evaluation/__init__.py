"""Stands in for the package that comes with a served competition's data."""
