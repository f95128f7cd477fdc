"""A bar chart of the figures in SVG, in the text color of the page, for light and dark mode."""

from collections.abc import Iterable
from html import escape
from typing import Final

from benchmarks.report import Measurement, Section

__all__ = ["svg_of"]

_WIDTH: Final = 780
_LEFT: Final = 360
_ROW: Final = 24
_BAR: Final = 15
_HEAD: Final = 52
_LEGEND: Final = 30
_LEGEND_TEXTS: Final = (("ours", "with ory_guard", 0), ("", "without", 150))
_STYLE: Final = (
    ".bars{max-width:780px;width:100%;height:auto}.bars text{fill:currentColor}.bars .head{font-weight:bold}"
    ".bars rect{fill:currentColor;opacity:.35}.bars .ours{fill:#2f7de1;opacity:1}"
)


def svg_of(sections: Iterable[Section], title: str) -> str:
    """Return one group of bars for each section; the length of a bar is the median."""
    groups: list[str] = []
    description = ["Blue bars are with ory_guard, gray ones without."]
    top = _LEGEND
    for section in sections:
        unit = section.measurements[0].unit
        better = f"{unit}, {'higher' if section.measurements[0].rate else 'lower'} is better"
        description.append(f"{section.title}: {better}.")
        groups.append(f'<text class="head" x="0" y="{top + 20}">{escape(section.title)}</text>')
        groups.append(f'<text x="0" y="{top + 38}">{escape(better)}</text>')
        groups.extend(_bars(section.measurements, top + _HEAD))
        description.extend(f"{each.name}: {each.median:,.1f} {unit}." for each in section.measurements)
        top += _HEAD + _ROW * len(section.measurements) + 16
    labels = 'role="img" aria-labelledby="bars-title bars-text" font-family="inherit" font-size="13"'
    head = [
        f'<svg class="bars" viewBox="0 0 {_WIDTH} {top}" {labels}>',
        f'<title id="bars-title">{escape(title)}</title>',
        f'<desc id="bars-text">{escape(" ".join(description))}</desc>',
        f"<style>{_STYLE}</style>",
        *(
            f'<rect class="{kind}" x="{x}" y="0" width="{_BAR}" height="{_BAR}"/>'
            f'<text x="{x + 22}" y="12">{text}</text>'
            for kind, text, x in _LEGEND_TEXTS
        ),
    ]
    return "\n".join([*head, *groups, "</svg>\n"])


def _bars(measurements: Iterable[Measurement], top: int) -> Iterable[str]:
    bars = list(measurements)
    longest = max(each.median for each in bars)
    for number, each in enumerate(bars):
        y = top + _ROW * number
        width = (_WIDTH - _LEFT - 70) * each.median / longest
        kind = ' class="ours"' if _is_ours(each.name) else ""
        digits = 0 if each.median >= 1_000 else 1
        yield (
            f'<text x="{_LEFT - 10}" y="{y + 12}" text-anchor="end">{escape(each.name)}</text>'
            f'<rect{kind} x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}"/>'
            f'<text x="{_LEFT + width + 8:.1f}" y="{y + 12}">{each.median:,.{digits}f}</text>'
        )


def _is_ours(name: str) -> bool:
    return any(word in name for word in ("middleware", "require", "guard"))
