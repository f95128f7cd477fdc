"""Tests of the methods of the fake, beyond the recordings."""
