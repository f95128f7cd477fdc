"""The TLS context of a Redis URL. New connections use renewed certificates without a restart."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

__all__ = ["TLSContext"]

_FILES: Final = ("certfile", "keyfile", "ca_certs", "ca_path")

_Versions: TypeAlias = list[tuple[int, int, int] | None]


class TLSContext:
    """Provides the `RedisSSLContext` of redis-py that all connections share, because loading one takes 25 ms.

    Args:
        create: Returns a new context, whose files are not loaded yet.

    Raises:
        OSError: If the files can't be loaded.
    """

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create
        self._context: Any = create()
        self._paths = [path for name in _FILES if (path := getattr(self._context, name))]
        self._versions = self._read_versions()
        self._context.get()

    def get(self) -> Any:
        """Return the context for a new connection; load the files again if one has changed.

        If they can't be loaded, such as a certificate without its new key, the previous context remains in use.
        """
        versions = self._read_versions()
        if versions != self._versions:
            with suppress(OSError):
                context = self._create()
                context.get()
                self._context, self._versions = context, versions
        return self._context

    def _read_versions(self) -> _Versions:
        return [_version_of(path) for path in self._paths]


def _version_of(path: str) -> tuple[int, int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
