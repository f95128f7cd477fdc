"""The operations outside flows: sessions, the admin API, errors, schemas and health."""
