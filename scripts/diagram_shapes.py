"""The shapes of the diagrams in the documentation, as SVG."""

from typing import Final
from xml.sax.saxutils import escape

__all__ = ["LINE", "WIDTH", "arrow", "box", "down", "picture", "text"]

WIDTH: Final = 360
LINE: Final = 16
"""The height of a line of text."""

STYLE: Final = (
    "svg:root{--page:#fff;background:#fff;color:#1f2328}"
    "@media(prefers-color-scheme:dark){svg:root{--page:#0d1117;background:#0d1117;color:#e6edf3}}"
    ".diagram{width:100%;height:auto;display:block}"
    ".diagram text{fill:currentColor;text-anchor:middle}"
    ".diagram .over{stroke:var(--md-default-bg-color,var(--page));stroke-width:4px;paint-order:stroke}"
    ".diagram .page{fill:var(--md-default-bg-color,var(--page))}"
    ".diagram .head{font-weight:600}.diagram .left{text-anchor:start}"
    ".diagram .box{fill:currentColor;fill-opacity:.07;stroke:currentColor}"
    ".diagram .lane{stroke:currentColor;stroke-opacity:.35;stroke-dasharray:3 4}"
    ".diagram .arrow{fill:none;stroke:currentColor;stroke-width:1.4}"
    ".diagram .reply{stroke-dasharray:6 4}.diagram .tip{fill:currentColor}"
    ".diagram .no{stroke-dasharray:2 3;fill:none}"
)


def text(x: float, y: float, content: str, css: str = "") -> str:
    """Return a text of several lines, whose last baseline is `y`."""
    lines = content.split("\n")
    first = y - LINE * (len(lines) - 1)
    name = f' class="{css}"' if css else ""
    return "".join(
        f'<text{name} x="{x:g}" y="{first + LINE * number:g}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )


def box(x: float, y: float, width: float, height: float, css: str = "box") -> str:
    """Return a rounded rectangle."""
    return f'<rect class="{css}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'


def arrow(source: float, target: float, y: float, *, is_reply: bool) -> str:
    """Return a horizontal arrow with its tip."""
    back = -7 if target > source else 7
    css = "arrow reply" if is_reply else "arrow"
    return (
        f'<path class="{css}" d="M{source:g} {y:g}H{target + back:g}"/>'
        f'<path class="tip" d="M{target:g} {y:g}l{back} -4v8z"/>'
    )


def down(x: float, top: float, bottom: float) -> str:
    """Return a downward arrow with its tip."""
    return (
        f'<path class="arrow" d="M{x:g} {top:g}V{bottom - 7:g}"/><path class="tip" d="M{x:g} {bottom:g}l-4 -7h8z"/>'
    )


def picture(name: str, title: str, description: str, content: tuple[str, float]) -> str:
    """Return a diagram as SVG, with a title and a description for screen readers."""
    shapes, height = content
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-labelledby="{name}-title {name}-text" font-family="sans-serif" font-size="13.5" '
        'style="max-width:440px">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n<desc id="{name}-text">{escape(description)}</desc>\n'
        f"<style>{STYLE}</style>\n{shapes}\n</svg>\n"
    )
