"""Who says what a gradient is, beside the hand-derived code: autodiff, differences, the complex step; and kinks."""
