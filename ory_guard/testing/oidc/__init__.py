"""Social sign-in: the redirect to a provider, the provider, and the callback."""
