"""Unusual inputs, faults, and properties that hold for any input."""
