"""Experiment trackers, MLflow and W&B, where they are installed beside this tool."""
