"""The records of the fake: identities, sessions, and the rules about them."""
