"""An SVG that is drawn box by box, and follows the reader's choice of light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from perceptualloss.drawing.plots import DARK, LIGHT, Theme

CLASSES = ("ink", "muted", "line", "paper", "box", "blue", "orange", "green")
Point = tuple[float, float]


def _style(theme: Theme) -> str:
    """Return a theme's colours as the rules of a style sheet."""
    colours = (theme.ink, theme.muted, theme.muted, theme.paper, theme.shade, *theme.colours[:3])
    rules = [
        f".{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}" for name, colour in zip(CLASSES, colours, strict=True)
    ]
    return "".join(rules)


@dataclass
class Drawing:
    """An SVG that grows: boxes, arrows and words, with words by a dictionary of the language."""

    width: float
    height: float
    language: Mapping[str, str]
    parts: list[str] = field(default_factory=list)

    def say(self, words: str) -> str:
        """Return words in the drawing's language; formulas and names of layers stay."""
        return self.language.get(words, words)

    def text(self, x: float, y: float, words: str, size: float = 13, tone: str = "ink", anchor: str = "middle") -> None:
        """Write a line, centred on x unless ``anchor`` says otherwise."""
        said = escape(self.say(words))
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" class="{tone}">{said}</text>'
        )

    def rect(self, x: float, y: float, width: float, height: float, fill: str, edge: str = "line") -> None:
        """Draw a rounded box; ``fill`` is a class or a colour."""
        look = f'class="{fill} s-{edge}"' if fill in CLASSES else f'fill="{fill}" class="s-{edge}"'
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" stroke-width="1.5" {look}/>'
        )

    def box(self, x: float, y: float, lines: Sequence[str], size: Point = (96, 54), edge: str = "line") -> None:
        """Draw a box with lines of text, centred on (x, y)."""
        self.rect(x - size[0] / 2, y - size[1] / 2, *size, "box", edge)
        for i, line in enumerate(lines):
            small = i > 0
            place = y + 4.5 + (i - (len(lines) - 1) / 2) * 16
            self.text(x, place, line, 11.5 if small else 13, "muted" if small else "ink")

    def arrow(self, *points: Point, edge: str = "line", dashed: bool = False) -> None:
        """Draw straight pieces through points, with a head at the last."""
        way = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<path d="{way}" fill="none" stroke-width="1.8" class="s-{edge}" marker-end="url(#{edge})"{dash}/>'
        )

    def plus(self, x: float, y: float, sign: str = "+") -> None:
        """Draw a circle with a sign, where two arrows meet."""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="11" stroke-width="1.5" class="paper s-line"/>')
        self.text(x, y + 5.5, sign, 17)

    def __str__(self) -> str:
        """Return the file's text."""
        heads = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto">'
            f'<path d="M0 0L10 5L0 10z" class="{name}"/></marker>'
            for name in ("line", "blue", "orange", "green")
        )
        style = f"{_style(LIGHT)}@media (prefers-color-scheme: dark){{{_style(DARK)}}}"
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" font-family="system-ui, sans-serif">\n'
            f"<style>{style}</style><defs>{heads}</defs>\n"
            f'<rect width="{self.width:g}" height="{self.height:g}" rx="8" class="paper"/>\n{body}\n</svg>\n'
        )
