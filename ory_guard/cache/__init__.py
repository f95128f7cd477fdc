"""Cached sessions, revocations, and the protocol of a shared store."""

from ory_guard.cache.store_protocol import ALL_IDS, RevokedIds, SessionStore, StoredSession
from ory_guard.models.clock import Clock, SystemClock

__all__ = ["ALL_IDS", "Clock", "RevokedIds", "SessionStore", "StoredSession", "SystemClock"]
