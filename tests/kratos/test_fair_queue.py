"""The order of items in a fair queue."""

import pytest

from ory_guard.kratos.fair_queue import FairQueue


def queue_of(items: str) -> FairQueue[str]:
    """Return a queue of items; each is named by its client, its flow and a number: `Ax1`."""
    queue = FairQueue[str]()
    for item in items.split():
        queue.push(item[0], item[:2], item)
    return queue


def popped(queue: FairQueue[str]) -> str:
    """Remove all items, and return them in their order."""
    return " ".join(str(queue.pop()) for _ in range(len(queue)))


@pytest.mark.parametrize(
    ("pushed", "order"),
    [
        ("", ""),
        ("Ax1 Ax2 Ax3", "Ax3 Ax2 Ax1"),
        ("Ax1 Ax2 Ax3 Ay1 Ay2 Az1", "Az1 Ay2 Ax3 Ay1 Ax2 Ax1"),
        ("Ax1 Ax2 Ax3 Bx1 Bx2 Cx1", "Cx1 Bx2 Ax3 Bx1 Ax2 Ax1"),
        ("Ax1 Ay1 Az1 Bx1 Bx2", "Bx2 Az1 Bx1 Ay1 Ax1"),
    ],
    ids=["empty", "the newest first", "flows take turns", "clients take turns", "flows take turns within a client"],
)
def test_order_of_items(pushed: str, order: str) -> None:
    queue = queue_of(pushed)

    assert popped(queue) == order
    assert (len(queue), queue.pop()) == (0, None)


def test_client_that_had_its_turn_comes_last() -> None:
    """If it came first, a client that always has one item would delay all others."""
    queue = queue_of("Ax1 Bx1 Cx1")
    for number in range(2, 5):
        assert queue.pop() == f"{'CBA'[number - 2]}x1"
        queue.push("C", "Cx", f"Cx{number}")

    assert popped(queue) == "Cx4 Cx3 Cx2"


def test_number_of_clients_that_had_their_turn_is_limited() -> None:
    queue = FairQueue[int]()
    for number in range(4_097):
        queue.push(number, None, number)
        queue.pop()
    queue.push("waiting", None, -1)

    for number in (0, 1):  # the first is new again, the second is not
        queue.push(number, None, number)

    assert [queue.pop() for _ in range(3)] == [0, -1, 1]


def test_client_without_an_allowed_item_loses_its_turn() -> None:
    queue = queue_of("Bx1 Bx2 Ax1 Ax2")

    assert [queue.pop(lambda item: item[0] == "B") for _ in range(3)] == ["Bx2", "Bx1", None]
    assert queue.pop() == "Ax2"


@pytest.mark.parametrize(("clients", "flows"), [(4_000, 1), (1, 4_000), (20, 200)])
def test_number_of_examined_items_is_limited(clients: int, flows: int) -> None:
    """Each call that ends looks for the next item, and strangers can queue thousands."""
    queue = FairQueue[str]()
    for client in range(clients):
        for flow in range(flows):
            queue.push(client, flow, f"{client} {flow}")
    examined: list[str] = []

    assert queue.pop(examined.append) is None  # type: ignore[arg-type] # None is false

    assert 120 <= len(examined) <= 128


@pytest.mark.parametrize("clients", [300, 1], ids=["clients", "flows"])
def test_items_behind_the_examined_ones_are_reached(clients: int) -> None:
    queue = FairQueue[int]()
    for item in range(300):
        queue.push(item % clients, item, item)

    results = [queue.pop(lambda item: item == 0) for _ in range(3)]

    assert results == [None, None, 0]


@pytest.mark.parametrize(
    ("pushed", "client", "surplus", "left"),
    [
        ("Ax1 Ax2 Ay1", "A", "Ax1", "Ay1 Ax2"),
        ("Ax1 Ax2 Bx1", "B", "Ax1", "Bx1 Ax2"),
        ("Ax1 Bx1 Cx1", "C", "Ax1", "Cx1 Bx1"),
    ],
    ids=["the oldest", "of the client with the most", "of the last client if all have one"],
)
def test_surplus_item_is_removed(pushed: str, client: str, surplus: str, left: str) -> None:
    queue = queue_of(pushed)

    assert queue.pop_surplus(client) == surplus
    assert popped(queue) == left


def test_client_with_more_items_than_the_last_128_loses_one() -> None:
    queue = FairQueue[str]()
    for number in range(200):
        queue.push(number, None, f"{number}")
    queue.push(199, None, "one more")

    assert queue.pop_surplus(199) == "199"


def test_client_with_many_items_loses_one_wherever_it_is() -> None:
    """Clients that had their turn come behind it: they must not lose their only items."""
    queue = FairQueue[int]()
    for client in range(1, 201):
        queue.push(client, None, client)
        queue.pop()
    for item in range(-40, 0):
        queue.push("many", None, item)
    for client in range(1, 201):
        queue.push(client, None, client)

    assert [queue.pop_surplus(1) for _ in range(9)] == [*range(-40, -32), 200]


def test_item_is_removed() -> None:
    queue = queue_of("Ax1 Ax2 Bx1")

    queue.remove("A", "Ax", "Ax2")
    queue.remove("B", "Bx", "Bx1")

    assert popped(queue) == "Ax1"
