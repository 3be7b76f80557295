"""Training: the data, the scores, the report."""
