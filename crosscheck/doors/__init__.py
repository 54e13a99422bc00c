"""The ways in: plain functions, pairs with saved values, layers. Each turns what a caller has into an `Operation`."""
