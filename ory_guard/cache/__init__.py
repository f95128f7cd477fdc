"""Cached sessions, revocations, and the protocol of a shared store."""

from ory_guard.cache.store import RevokedIds, SessionStore, StoredSession
from ory_guard.models.clock import Clock, SystemClock

__all__ = ["Clock", "RevokedIds", "SessionStore", "StoredSession", "SystemClock"]
