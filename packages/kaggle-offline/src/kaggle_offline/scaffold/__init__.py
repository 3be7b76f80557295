"""Starting a competition, from templates or from existing code."""
