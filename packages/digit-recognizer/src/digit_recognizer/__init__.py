"""Digit Recognizer: which digit 784 numbers show."""
