"""The capacity page: its formulas agree with a simulation, and its table is the output of the script."""

from pathlib import Path

import capacity_model
import pytest
from capacity_model import DESIGNS, Fleet, calculate, rates, simulate

PAGE = Path(__file__).parents[2] / "docs/explanation/capacity.md"
FLEETS = [
    Fleet(workers=4, sessions=2_000, pages=40, ttl=30),
    Fleet(workers=64, sessions=20_000, pages=300, ttl=60),
    Fleet(workers=1_000, sessions=20_000, pages=300, ttl=30),
]


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("fleet", FLEETS, ids=lambda fleet: f"{fleet.workers} workers")
def test_formulas_agree_with_the_simulation(fleet: Fleet, design: str) -> None:
    """Every figure agrees within 10 %, with the same random numbers in every run."""
    expected, simulated = calculate(fleet, design), simulate(fleet, design, seconds=5_000)

    assert simulated._asdict() == pytest.approx(expected._asdict(), rel=0.1)


def test_whoami_formula_of_single_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """If each page load is one request, a worker sees a session at a fraction of its rate."""
    monkeypatch.setattr(capacity_model, "PAGE_REQUESTS", 1)
    fleet = FLEETS[1]
    expected = sum(
        number * fleet.workers / (0.975 * fleet.ttl + fleet.workers / rate) for number, rate in rates(fleet)
    )

    assert calculate(fleet, "local").whoami == pytest.approx(expected)


def test_table_of_the_page_is_the_output_of_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    """Run `poe capacity-model` after a change, and copy its output to the page."""
    capacity_model.main()

    assert capsys.readouterr().out in PAGE.read_text(encoding="utf-8")
