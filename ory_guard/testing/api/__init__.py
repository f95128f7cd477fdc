"""The operations outside flows: sessions, the admin API, schemas, health and version."""
