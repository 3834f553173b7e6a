"""What a built site must have: links that lead somewhere, and nothing that is loaded from another host.

MkDocs checks the links that are written in Markdown; this looks at the HTML, with those of raw HTML and of docstrings.
Hosts are not asked: a build needs no network.
"""

from __future__ import annotations

import logging
import posixpath
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LOG = logging.getLogger("mkdocs.hooks.check")
LOADED = {"script", "img", "iframe", "source", "video", "audio", "link", "use", "embed", "object"}
NOT_LOADED = {"canonical", "alternate", "prev", "next"}  # kinds of <link> that browsers do not load


class Links(HTMLParser):
    """The places that a page names, with whether a browser loads them, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[tuple[str, bool]] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what one tag names."""
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        loaded = tag in LOADED and values.get("rel") not in NOT_LOADED
        self.links.update((values[name], loaded) for name in ("href", "src", "poster") if name in values)
        if "srcset" in values:
            self.links.update((part.split()[0], True) for part in values["srcset"].split(","))


def on_post_build(config: Any, **_: Any) -> None:
    """Warn of what is wrong; with --strict that ends the build."""
    site = Path(config.site_dir)
    pages = {
        path.relative_to(site).as_posix(): Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")
    }
    for name, page in sorted(pages.items()):
        for link, loaded in sorted(page.links):
            if name != "404.html" and (wrong := fault(link, loaded, name, pages, site)):
                LOG.warning("%s: %s: %s", name, link, wrong)


def fault(link: str, loaded: bool, name: str, pages: dict[str, Links], site: Path) -> str:
    """Return what is wrong with a link of a page, or nothing."""
    parts = urlsplit(link)
    if parts.scheme in {"data", "mailto"}:
        return ""
    if parts.scheme or parts.netloc:
        if loaded:
            return "loaded from another host"
        return (
            ""
            if parts.scheme == "https" and "." in parts.netloc and " " not in link
            else "no address of the form https://host/..."
        )
    place = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
    if (site / place).is_dir():
        place = posixpath.normpath(f"{place}/index.html")
    if not (site / place).is_file():
        return "no such file"
    known = not parts.fragment or place not in pages or unquote(parts.fragment) in pages[place].anchors
    return "" if known or parts.fragment == "__tabbed" else "no such heading"
