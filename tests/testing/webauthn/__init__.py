"""Tests of passkeys and security keys."""
