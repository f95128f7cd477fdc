"""Several server processes, a real Redis, and a load that must never get a wrong answer."""
