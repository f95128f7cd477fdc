"""The URLs of the store."""

import re

import pytest

from ory_guard.exceptions import ConfigurationError
from ory_guard.redis.urls import Address, RedisURL, parse_redis_url

PAIR: tuple[Address, ...] = (("a", 1), ("b", 26379))


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis://u:p@host:1/2?x=1", RedisURL("node", "redis://u:p@host:1/2?x=1")),
        ("Valkeys://host", RedisURL("node", "rediss://host")),
        ("unix:///run/redis.sock?db=1", RedisURL("node", "unix:///run/redis.sock?db=1")),
        ("redis+sentinel://a:1,b/main", RedisURL("sentinel", "redis://a:1/0?", PAIR, "main")),
        ("valkey+sentinel://a:1,b/main/3", RedisURL("sentinel", "redis://a:1/3?", PAIR, "main")),
        (
            "rediss+sentinel://u:p@[::1]/my%20main?sentinel_username=s&sentinel_password=q&ssl_ca_certs=x",
            RedisURL(
                "sentinel", "rediss://u:p@[::1]:26379/0?ssl_ca_certs=x", (("::1", 26379),), "my main", "s", "q"
            ),
        ),
        ("redis+cluster://a:1,[::2]:7", RedisURL("cluster", "redis://a:1?", (("a", 1), ("::2", 7)))),
        ("rediss+cluster://:p@a/0?x=1", RedisURL("cluster", "rediss://:p@a:6379?x=1", (("a", 6379),))),
    ],
)
def test_parts_of_a_url(url: str, parts: RedisURL) -> None:
    assert parse_redis_url(url) == parts


SENTINEL = "write redis+sentinel://host:26379,host:26379/service, with the name of the service"
CLUSTER = "write redis+cluster://host:6379,host:6379, with some nodes"


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("hunter2@host", "write for example redis://127.0.0.1:6379/0"),
        ("http://:hunter2@host", "URL (rediss+sentinel:// and rediss+cluster:// for TLS); write for example"),
        ("redis+proxy://:hunter2@host", "redis+sentinel:// or redis+cluster:// URL"),
        ("unix+sentinel://:hunter2@host/main", "redis+sentinel:// or redis+cluster:// URL"),
        ("redis+sentinel://:hunter2@host:1", SENTINEL),
        ("redis+sentinel://:hunter2@host:1/", SENTINEL),
        ("redis+sentinel://:hunter2@host:1/main/x", SENTINEL),
        ("redis+sentinel://:hunter2@/main", SENTINEL),
        ("redis+sentinel://:hunter2@a,/main", SENTINEL),
        ("redis+sentinel://:hunter2@a:b:1/main", SENTINEL),
        ("redis+cluster://:hunter2@host:0", CLUSTER),
        ("redis+cluster://:hunter2@host:65536", CLUSTER),
        ("redis+cluster://:hunter2@host:port", CLUSTER),
        ("redis+cluster://:hunter2@host/1", CLUSTER),
    ],
)
def test_error_says_how_to_write_a_url(url: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(hint)) as caught:
        parse_redis_url(url)

    assert "hunter2" not in str(caught.value)
