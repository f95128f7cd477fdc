"""WebAuthn: the relying party, its nodes, and the script for browsers."""
