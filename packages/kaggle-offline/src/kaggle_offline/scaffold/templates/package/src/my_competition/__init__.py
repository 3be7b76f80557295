"""My competition: what its kernel imports."""
