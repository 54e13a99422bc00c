"""What the doors of JAX and PyTorch have in common: one question, answered by the judge, and the other ways to ask it."""
