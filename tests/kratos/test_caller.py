"""The client of a request, by its address."""

import pytest

from ory_guard.kratos.caller import client_of


@pytest.mark.parametrize(
    ("address", "client"),
    [
        (("192.0.2.1", 50_000), "192.0.2.1"),
        (["192.0.2.1", 50_001], "192.0.2.1"),
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (("2001:db8:0:1::a", 1), "20010db800000001::/64"),
        (("2001:db8:0:1:ffff::b%eth0", 1), "20010db800000001::/64"),
        (("2001:db8:0:2::a", 1), "20010db800000002::/64"),
        (("unix:/run/app.sock", None), "unix:/run/app.sock"),
        (None, "None"),
        ((), "None"),
    ],
)
def test_client_is_a_host_or_an_ipv6_network(address: object, client: str) -> None:
    """One host can use all addresses of its network."""
    assert client_of(address) == client
