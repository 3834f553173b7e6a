"""What the report pages share: one file each, in light and dark, that needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image


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


def lossless(picture: Image.Image) -> bytes:
    """Encode a picture so that every pixel comes back as it was."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True, quality=80, method=4)
    return file.getvalue()


def uri(webp: bytes) -> str:
    """Write an encoded picture as a data URI, which a page carries inside."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"


def compressed(picture: Image.Image) -> bytes:
    """Encode a picture with losses that are hardly seen."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=92, method=4, use_sharp_yuv=True)
    return file.getvalue()
