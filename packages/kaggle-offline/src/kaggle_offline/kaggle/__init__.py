"""Kaggle's API through the official client, one module for each service; nothing else imports that client."""
