"""Measurements and comparisons, as printed text, Markdown and JSON."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.machine import machine

__all__ = [
    "Comparison",
    "Effort",
    "Measurement",
    "Section",
    "as_json",
    "as_markdown",
    "compare",
    "measurement",
    "print_section",
    "print_targets",
]


@dataclass(frozen=True)
class Effort:
    """How long to measure: `full` for figures, `quick` to check that everything runs."""

    rounds: int
    requests: int
    seconds: float
    sessions: tuple[int, ...]

    @classmethod
    def full(cls) -> "Effort":
        """Return the effort for published figures."""
        return cls(rounds=100, requests=200, seconds=1.0, sessions=(1_000, 10_000, 50_000))

    @classmethod
    def quick(cls) -> "Effort":
        """Return the lowest effort that runs everything."""
        return cls(rounds=2, requests=5, seconds=0.2, sessions=(100, 200))


@dataclass(frozen=True)
class Measurement:
    """The values of one figure in all rounds.

    `rounds` is set if a single value summarizes several rounds.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    rate: bool = False
    rounds: int | None = None

    @property
    def best(self) -> float:
        """The lowest time or size, or the highest rate."""
        return max(self.values) if self.rate else min(self.values)

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return median(self.values)


@dataclass(frozen=True)
class Comparison:
    """The ratio of two figures of one run.

    `ratio` is the median of the ratios of all rounds and decides the verdict; `best_ratio` is the ratio of the best
    values.
    """

    name: str
    beside: str
    ratio: float
    best_ratio: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """The target as text, or an empty string."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or an empty string without a target."""
        if not self.target:
            return ""
        over = self.at_most is not None and self.ratio > self.at_most
        under = self.at_least is not None and self.ratio < self.at_least
        return "missed" if over or under else "met"


@dataclass(frozen=True)
class Section:
    """The results of one kind of measurement."""

    title: str
    measurements: tuple[Measurement, ...]
    comparisons: tuple[Comparison, ...] = ()


def measurement(name: str, unit: str, values: Iterable[float], *, rate: bool = False) -> Measurement:
    """Return a measurement with the values of all rounds."""
    return Measurement(name, unit, tuple(values), rate)


def compare(
    found: dict[str, Measurement],
    name: str,
    beside: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Comparison:
    """Return the ratio of two measurements, round by round."""
    ours, theirs = found[name], found[beside]
    ratios = [our / their for our, their in zip(ours.values, theirs.values, strict=True)]
    return Comparison(name, beside, median(ratios), ours.best / theirs.best, at_most, at_least)


def print_section(section: Section) -> None:
    """Print the best and median figures."""
    print(f"\n{section.title}\n{'':60}{'best':>12}{'median':>12}")
    for each in section.measurements:
        print(f"  {each.name:58}{each.best:12,.1f}{each.median:12,.1f} {each.unit}")


def print_targets(sections: Iterable[Section]) -> None:
    """Print the ratios, with targets and verdicts."""
    print(f"\nRatios\n{'':102}{'best':>7}{'median':>8}  target")
    for section in sections:
        for each in section.comparisons:
            names = f"{each.name} / {each.beside}"
            figures = f"{each.best_ratio:7.2f}{each.ratio:8.2f}"
            print(f"  {names:100}{figures}  {each.target:8}{each.verdict}".rstrip())


def as_markdown(figures: dict[str, Any]) -> str:
    """Return the result of `as_json` as tables for the documentation."""
    lines: list[str] = []
    for section in figures["sections"]:
        lines += ["", f"### {section['title']}", "", "| | best | median | |", "|---|---:|---:|---|"]
        for figure in section["measurements"]:
            values = f"{figure['best']:,.1f} | {figure['median']:,.1f}"
            lines.append(f"| {figure['name']} | {values} | {figure['unit']} |")
        if section["comparisons"]:
            lines += ["", "| ratio | beside | best | median | target | |", "|---|---|---:|---:|---|---|"]
        for each in section["comparisons"]:
            values = f"{each['best_ratio']:.2f} | {each['ratio']:.2f}"
            lines.append(f"| {each['name']} | {each['beside']} | {values} | {each['target']} | {each['verdict']} |")
    return "\n".join(lines[1:]) + "\n"


def as_json(sections: Iterable[Section]) -> dict[str, Any]:
    """Return all figures and the environment."""
    return {
        "machine": machine(),
        "sections": [
            {
                "title": section.title,
                "measurements": [
                    {
                        "name": each.name,
                        "unit": each.unit,
                        "rounds": each.rounds or len(each.values),
                        "best": each.best,
                        "median": each.median,
                    }
                    for each in section.measurements
                ],
                "comparisons": [
                    asdict(each) | {"target": each.target, "verdict": each.verdict} for each in section.comparisons
                ],
            }
            for section in sections
        ],
    }
