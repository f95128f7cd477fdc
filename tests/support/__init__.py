"""Clients, servers and doubles shared by the tests."""
