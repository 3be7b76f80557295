"""What the kernels of all competitions need; the standard library is all that it takes."""
