"""What the doors of JAX and PyTorch have in common: one question, and the other ways to ask it."""
