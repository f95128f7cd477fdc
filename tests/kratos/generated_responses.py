"""Generated HTTP/1.1 responses: valid, cut, and damaged where the framing is decided."""

import re
from collections.abc import Callable
from random import Random

__all__ = ["generate_response"]


def generate_response(rng: Random) -> bytes:
    """Return a response, or the damaged bytes of one or two."""
    data = b"".join(_head(rng, rng.choice([100, 103]), []) for _ in range(rng.choice([0, 0, 0, 0, 1, 2])))
    data += _final(rng)
    if rng.random() < 0.1:
        data += _final(rng)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        data = rng.choice(_DAMAGE)(rng, data)
    return data


def _head(rng: Random, status: int, headers: list[bytes]) -> bytes:
    version = rng.choice([b"1.1"] * 8 + [b"1.0"])
    reason = rng.choice([b" OK", b" ", b"", b" Not Found", b" \xe9\t!"])
    return b"\r\n".join([b"HTTP/%s %d%s" % (version, status, reason), *headers, b"", b""])


def _final(rng: Random) -> bytes:
    body = bytes(rng.choices(b'{"id":5}', k=rng.choice([0, 1, 5, 9, 40])))
    headers = [_field(rng) for _ in range(rng.choice([0, 1, 3]))]
    framing = rng.choice(["length"] * 4 + ["chunks"] * 4 + ["close", "none", "both", "twice"])
    if framing in ("length", "both", "twice"):
        length = _any_case(rng, b"Content-Length") + b": %d" % len(body)
        headers += [length] * (2 if framing == "twice" else 1)
    if framing in ("chunks", "both"):
        headers.append(_any_case(rng, b"Transfer-Encoding") + b": " + _any_case(rng, b"chunked"))
        body = _chunks(rng, body)
    if framing == "close":
        headers.append(b"Connection: " + rng.choice([b"close", b"Close", b"keep-alive, close", b"closed"]))
    rng.shuffle(headers)
    return _head(rng, rng.choice([200, 200, 200, 401, 403, 429, 500, 204, 304]), headers) + body


def _field(rng: Random) -> bytes:
    name = rng.choice([b"Content-Type", b"X-Odd", b"Set-Cookie", b"vary", b"Connection"])
    space = rng.choice([b" ", b"", b"\t", b"  "])
    return name + b":" + space + rng.choice([b"application/json", b"", b"a b", b"\xff", b"k=v; Path=/"]) + space


def _any_case(rng: Random, name: bytes) -> bytes:
    return rng.choice([name, name.lower(), name.upper()])


def _chunks(rng: Random, body: bytes) -> bytes:
    data = b""
    while body:
        size = rng.randint(1, len(body))
        data += rng.choice([b"%x", b"%X", b"%04x", b"%012x"]) % size + _extension(rng) + b"\r\n"
        data += body[:size] + b"\r\n"
        body = body[size:]
    trailers = b"".join(_field(rng) + b"\r\n" for _ in range(rng.choice([0, 0, 1, 2])))
    return data + rng.choice([b"0", b"00"]) + _extension(rng) + b"\r\n" + trailers + b"\r\n"


def _extension(rng: Random) -> bytes:
    return rng.choice([b"", b"", b"", b";", b";a=b", b';a="b c"'])


def _position(rng: Random, data: bytes) -> int:
    """Return a position, most often beside a delimiter."""
    delimiters = [match.start() for match in re.finditer(rb"[\r\n:;]", data)]
    if delimiters and rng.random() < 0.6:
        return max(rng.choice(delimiters) + rng.choice([0, 0, 1, -1]), 0)
    return rng.randint(0, len(data))


_INSERTED = [b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b"\x01", b"\x7f", b"\x80", b":", b";", b",", b"0", b"5"]
_INSERTED += [
    b"\r\nContent-Length: 5",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\n folded",
    b"0" * 16,
    b"\r\n0\r\n\r\n",
]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: _position(rng, data)]


def _insert(rng: Random, data: bytes) -> bytes:
    at = _position(rng, data)
    return data[:at] + rng.choice(_INSERTED) + data[at:]


def _delete(rng: Random, data: bytes) -> bytes:
    at = _position(rng, data)
    return data[:at] + data[at + rng.choice([1, 1, 2, 5]) :]


def _replace(rng: Random, data: bytes) -> bytes:
    at = _position(rng, data)
    return data[:at] + bytes([rng.choice(b"\r\n \t:;01569afAF\0\x01\x7f\xffxHh,.-")]) + data[at + 1 :]


def _repeat(rng: Random, data: bytes) -> bytes:
    start, stop = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:stop] + data[start:]


_DAMAGE: list[Callable[[Random, bytes], bytes]] = [_cut, _insert, _insert, _delete, _replace, _replace, _repeat]
