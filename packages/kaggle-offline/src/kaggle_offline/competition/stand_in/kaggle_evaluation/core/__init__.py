"""The part that served competitions have in common."""
