"""The scores of submissions: metrics, and tables to compute them from."""
