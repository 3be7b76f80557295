"""A Kaggle of one's own: API, storage, archives, sandboxed kernel runs and scoring."""
