"""A result as something to read."""
