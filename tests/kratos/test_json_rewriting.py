"""URLs in JSON change only at known positions, and no other byte changes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ory_guard.kratos.json_rewriting import InvalidJSON, rewrite_urls
from ory_guard.kratos.url_mapping import URLMapping

KRATOS, PROXY = "http://kratos.test:4433", "http://app.test/.ory"

URLS = URLMapping(KRATOS, PROXY)
OLD, NEW = f"{KRATOS}/self-service/x?flow=1&a=b", f"{PROXY}/self-service/x?flow=1&a=b"


def rewritten(document: Any) -> Any:
    return json.loads(rewrite_urls(json.dumps(document).encode(), URLS.map_url))


def nested(position: str, value: Any) -> Any:
    """Return a document with a value at a position such as `ui.nodes.*.attributes.src`."""
    for name in reversed(position.split(".")):
        value = ["first", value] if name == "*" else {"other": 1, name: value}
    return value


@pytest.mark.parametrize(
    "position",
    [
        "ui.action",
        "ui.nodes.*.attributes.src",
        "ui.nodes.*.attributes.href",
        "request_url",
        "return_to",
        "redirect_browser_to",
        "logout_url",
        "continue_with.*.redirect_browser_to",
        "continue_with.*.flow.url",
        "error.details.redirect_browser_to",
        "error.details.redirect_to",
        "error.details.return_to",
        "error.details.api",
        "error.details.continue_with.*.flow.url",
        "identity.schema_url",
        "session.identity.schema_url",
        "*.identity.schema_url",
    ],
)
@pytest.mark.parametrize("value", [OLD, "https://other.test/x", 7, None, [OLD], {"url": OLD}])
def test_url_at_a_known_position_is_mapped(position: str, value: Any) -> None:
    assert rewritten(nested(position, value)) == nested(position, NEW if value == OLD else value)


@pytest.mark.parametrize(
    "position",
    [
        "identity.traits.website",
        "identity.traits.redirect_browser_to",
        "identity.traits.ui.action",
        "session.identity.traits.schema_url",
        "identity.metadata_public.logout_url",
        "identity.verifiable_addresses.*.value",
        "ui.messages.*.text",
        "ui.messages.*.context.action",
        "ui.nodes.*.messages.*.text",
        "ui.nodes.*.attributes.value",
        "ui.nodes.*.attributes.title.text",
        "ui.nodes.*.attributes.onclick",
        "ui.nodes.*.attributes.text.context.src",
        "ui.nodes.*.meta.label.context.href",
        "transient_payload.return_to",
        "error.reason",
        "error.message",
        "error.details.docs",
        "continue_with.*.verifiable_address",
        "action",
        "src",
        "url",
        "schema.properties.return_to.default",
        "*.redirect_browser_to",
    ],
)
def test_text_at_another_position_is_unchanged(position: str) -> None:
    assert rewritten(nested(position, OLD)) == nested(position, OLD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"logout_url": "OLD"}', '{"logout_url": "NEW"}'),
        (' \n{ "logout_url"\t:\r"OLD" , "a":[ 1 , 2 ] }\n', ' \n{ "logout_url"\t:\r"NEW" , "a":[ 1 , 2 ] }\n'),
        # numbers, escapes and duplicate keys stay as they are
        ('{"a":1.10,"b":1E400,"c":' + "9" * 5_000 + ',"logout_url":"OLD"}', None),
        ('{"t":"\\u00e4\\/\\ud83d","logout_url":"OLD","logout_url":"OLD"}', None),
        ('{"logout_url":"http:\\/\\/kratos.test:4433\\/x\\u0026y"}', '{"logout_url":"PROXY/x&y"}'),
        ('{"logo\\u0075t_url":"OLD"}', None),
        ("[]", None),
        ("{}", None),
        ('{"ui":{"nodes":[]},"continue_with":{}}', None),
        ('"OLD"', None),
        ("null", None),
    ],
)
def test_no_other_byte_changes(text: str, expected: str | None) -> None:
    text, expected = text.replace("OLD", OLD), (expected or text).replace("OLD", NEW).replace("NEW", NEW)
    if text.startswith('"'):
        expected = text

    assert rewrite_urls(text.encode(), URLS.map_url).decode() == expected.replace("PROXY", PROXY)


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b" ",
            b"{",
            b"[",
            b'{"a"',
            b'{"a":',
            b'{"a":1',
            b'{"a":1,',
            b'{"a":1,}',
            b'{"a" 1}',
            b'{"a":1 "b":2}',
        ),
        *(
            b"{1:2}",
            b"{}x",
            b"[1,]",
            b'[{"identity"',
            b'{"ui":{"nodes":[1 2]}}',
            b'{"ui":{"nodes":[',
            b"nan",
            b"\xff",
        ),
        *(b'{"ui":{"nodes":[1,]}}', b'"\x01"', b"[" * 100_000, b'{"a":' * 100_000, b"-Infinity", b"\xef\xbb\xbf{}"),
    ],
)
def test_other_text_is_an_error(body: bytes) -> None:
    with pytest.raises(InvalidJSON):
        rewrite_urls(body, URLS.map_url)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.just(OLD)
)
KEYS = st.sampled_from(
    ["ui", "nodes", "action", "attributes", "src", "error", "details", "traits", "logout_url", "x"]
)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4))
)


@given(DOCUMENTS, st.sampled_from([None, 1]), st.booleans())
def test_result_is_json_that_differs_only_in_urls(document: Any, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=is_ascii)
    result = rewrite_urls(text.encode(), URLS.map_url).decode()

    assert json.loads(result.replace(NEW, OLD)) == document
    assert result.replace(NEW, OLD) == text


@pytest.mark.parametrize(
    ("url", "mapped"),
    [
        (f"{KRATOS}/a?b#c", f"{PROXY}/a?b#c"),
        (f"{KRATOS}?b", f"{PROXY}?b"),
        (f"{KRATOS}#c", f"{PROXY}#c"),
        ("HTTP://KRATOS.test:4433/A", f"{PROXY}/A"),
        *(
            (f"{KRATOS}{path}", None)
            for path in ("/../x", "/a/..", "/a/./b", "/%2e%2e/x", "/a/%2E", "/a\\b", "/a b")
        ),
        ("http://kratos.test:4433.evil.example/a", None),
        ("http://kratos.test:4433@evil.example/a", None),
        ("http://user@kratos.test:4433/a", None),
        ("http://kratos.test.:4433/a", None),
        ("http://kratos.test:44330/a", None),
        ("http://kratos.test/a", None),
        ("https://kratos.test:4433/a", None),
        ("http://xkratos.test:4433/a", None),
        ("http:kratos.test:4433/a", None),
        ("http:///kratos.test:4433/a", None),
        ("//kratos.test:4433/a", None),
        ("/self-service/login", None),
        (f" {KRATOS}/a", None),
        (f"{KRATOS}/a\n", None),
        (f"{KRATOS}/ä", None),
        (f"see {KRATOS}/a", None),
        ("javascript:alert(1)", None),
        ("http://[::1/a", None),
        ("", None),
    ],
)
def test_only_urls_of_kratos_are_mapped(url: str, mapped: str | None) -> None:
    assert URLS.map_url(url) == (mapped or url)


@pytest.mark.parametrize(
    ("url", "mapped"),
    [
        ("https://gw.test/kratos/self-service", f"{PROXY}/self-service"),
        ("https://gw.test:443/kratos", PROXY),
        ("https://gw.test/kratos?x", f"{PROXY}?x"),
        ("https://gw.test/kratosx/a", None),
        ("https://gw.test/other", None),
        ("https://gw.test/", None),
    ],
)
def test_path_of_kratos_belongs_to_its_urls(url: str, mapped: str | None) -> None:
    assert URLMapping("https://gw.test/kratos", PROXY).map_url(url) == (mapped or url)
