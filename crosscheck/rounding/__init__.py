"""What travels beside the values of a walk: how far each may be from exact."""
