"""Authentication methods: one module each, with its part in login, registration and settings."""
