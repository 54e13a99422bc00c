"""Programs as JAX traces them: the table of primitives, and what walks over a trace."""
