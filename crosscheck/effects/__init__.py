"""What a backward pass does besides returning gradients."""
