"""What the report pages share: one file each, in light and dark, that needs no network."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from perceptualloss.drawing.embed import lossless, uri


def render_page(template: str, **values: Any) -> str:
    """Give a page from a ``template`` of this folder that extends ``page.html.jinja``.

    That one needs ``title``, and ``colours``: a pair for each column of the tables, on light and on dark paper.
    """
    environment = Environment(
        loader=PackageLoader("perceptualloss.drawing", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def themed(draw: Callable[[bool], Figure], alt: str) -> dict[str, Any]:
    """Embed what ``draw(dark)`` draws, for light and for dark pages, with its description ``alt``."""
    images = {}
    for name, dark in (("light", False), ("dark", True)):
        file = io.BytesIO()
        draw(dark).savefig(file, format="png", metadata={"Software": None})
        picture = Image.open(file).convert("RGB")
        images[name] = uri(lossless(picture))
    return {"size": picture.size, "alt": alt, **images}
