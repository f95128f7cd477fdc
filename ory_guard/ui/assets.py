"""The style sheets and the script of the pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Assets"]

_FILES: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    "theme.css": "text/css; charset=utf-8",
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
}


@dataclass(frozen=True)
class _Asset:
    body: bytes
    version: str


class Assets:
    """The files that the pages load from their own mount.

    Args:
        folders: Folders whose files replace the built-in ones, such as a `theme.css`.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._assets: dict[str, _Asset] = {}
        for name in _TYPES:
            path = next((folder / name for folder in folders if (folder / name).is_file()), _FILES / name)
            body = path.read_bytes()
            self._assets[name] = _Asset(body, sha256(body).hexdigest()[:12])

    def url(self, mount: str, name: str) -> str:
        """Return the URL of a file; it changes with the content, so that browsers can cache the file."""
        return f"{mount}/assets/{name}?v={self._assets[name].version}"

    def response(self, request: Request) -> Response | None:
        """Return the file of a request, or None if there is none with its name."""
        name = request.path_params["name"]
        asset = self._assets.get(name)
        if asset is None:
            return None
        is_current = request.query_params.get("v") == asset.version
        caching = "public, max-age=31536000, immutable" if is_current else "no-cache"
        return Response(asset.body, media_type=_TYPES[name], headers={"cache-control": caching})
