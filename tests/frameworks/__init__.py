"""Small applications in other ASGI frameworks, with one table of requests for all."""
