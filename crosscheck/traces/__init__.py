"""A jaxpr as a program: the walk over it, the tape of its backward pass, keys and caches of what was compiled."""
