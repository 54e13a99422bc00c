"""Points of integers and dyadic numbers, where float64 does not round and equal means equal."""
