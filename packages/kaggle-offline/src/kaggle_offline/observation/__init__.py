"""Observations of Kaggle: its image captured, compared and renewed, its answers probed."""
