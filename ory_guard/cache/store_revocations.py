"""Queries of a shared store for revocations."""

from math import inf

from ory_guard.cache.store_protocol import ALL_IDS, SessionStore

__all__ = ["find_revocation", "latest_revocation"]


async def latest_revocation(store: SessionStore, ids: tuple[str, ...]) -> float:
    """Return the time of the latest revocation of these ids or of all sessions.

    Returns:
        Seconds since the epoch; minus infinity if there was none.
    """
    at = await store.revoked_at((*ids, ALL_IDS))
    return -inf if at is None else at


async def find_revocation(store: SessionStore, ids: tuple[str, ...], since: float) -> float:
    """Return the time of the latest revocation of these ids.

    Args:
        store: The store.
        ids: The ids.
        since: Seconds since the epoch. Earlier revocations do not matter.

    Returns:
        Seconds since the epoch; minus infinity if there was none, and infinity if all sessions were revoked, and
        these may be among them or not.
    """
    if await latest_revocation(store, ids) < since:
        return -inf
    at = await store.revoked_at(ids)
    return inf if at is None or at < since else at
