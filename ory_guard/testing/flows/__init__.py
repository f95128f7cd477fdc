"""The self-service flows: login, registration, settings, recovery, verification, logout."""
