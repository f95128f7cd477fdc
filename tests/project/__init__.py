"""Tests of the project as a whole: its structure, documentation, metadata and package."""
