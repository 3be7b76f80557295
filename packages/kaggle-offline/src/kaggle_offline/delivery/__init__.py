"""From dataset folders to a finished run, on kaggle.com or on the local Kaggle."""
