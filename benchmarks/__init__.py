"""Benchmarks of the guard against bare frameworks and alternatives: `poe bench`."""
