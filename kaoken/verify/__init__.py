"""Checks a compiled model: the float64 oracle, valid inputs, and the accuracy contract."""
