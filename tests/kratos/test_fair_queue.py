"""The order of items in a fair queue."""

import pytest

from ory_guard.kratos.fair_queue import FairQueue


@pytest.mark.parametrize(
    ("pushed", "order"),
    [
        ("", ""),
        ("a1 a2 a3", "a3 a2 a1"),
        ("a1 a2 a3 b1", "b1 a3 a2 a1"),
        ("a1 a2 a3 b1 b2 c1", "c1 b2 a3 b1 a2 a1"),
    ],
    ids=["empty", "the newest first", "a new flow first", "flows take turns"],
)
def test_order_of_items(pushed: str, order: str) -> None:
    queue = FairQueue[str]()
    for item in pushed.split():
        queue.push(item[0], item)

    popped = [str(queue.pop()) for _ in range(len(queue))]

    assert " ".join(popped) == order
    assert (len(queue), queue.pop()) == (0, None)


def test_flow_whose_next_item_is_not_allowed_waits() -> None:
    """It keeps its turn: it comes first as soon as its item is allowed."""
    queue = FairQueue[str]()
    for item in ("b1", "b2", "a1", "a2"):
        queue.push(item[0], item)

    assert [queue.pop(lambda item: item[0] == "b") for _ in range(3)] == ["b2", "b1", None]
    assert queue.pop() == "a2"


def test_number_of_examined_flows_is_limited() -> None:
    """One client can have thousands of flows, and each call that ends looks for the next item."""
    queue = FairQueue[int]()
    for number in range(4_000):
        queue.push(number, number)
    examined: list[int] = []

    assert queue.pop(examined.append) is None  # type: ignore[arg-type] # None is false

    assert len(examined) == 128


def test_item_is_removed() -> None:
    queue = FairQueue[str]()
    for item in ("a1", "a2", "b1"):
        queue.push(item[0], item)

    queue.remove("a", "a2")
    queue.remove("b", "b1")

    assert len(queue) == 1
    assert queue.pop() == "a1"
