"""The files that people keep in the repository: kernel folders, settings, packages, checkpoints, their history."""
