"""The code that the kernels of all competitions share; it needs the standard library alone."""
