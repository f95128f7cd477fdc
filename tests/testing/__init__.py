"""Tests of the fake Kratos."""
