"""Images of leaves: decoded, batched, shown."""
