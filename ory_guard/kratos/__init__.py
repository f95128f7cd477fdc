"""The adapter to Kratos: the only code besides the client that speaks HTTP to it."""
