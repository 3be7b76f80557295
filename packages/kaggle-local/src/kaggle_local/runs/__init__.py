"""How kernels run: their image, their sandbox, their limits, their log."""
