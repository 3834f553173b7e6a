"""Pages of the site from elsewhere: lists of a folder in the navigation, files of the repository's root."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

INCLUDED = re.compile(r"^<!-- include: (\S+) -->$", re.MULTILINE)
WITH_HYPHENS = re.compile(r"<code>(-[^<]{1,30}|(?=[^<]{3,32}<)[^<\s]+-[^<\s]*)</code>")
PICTURE = re.compile(r'<p>(<img [^>]*src="([^"]+)"[^>]*>)</p>')


def on_config(config: Any) -> Any:
    """Put the pages of a folder where the navigation says "folder/*.md"."""
    config.nav = expanded(config.nav, Path(config.docs_dir))
    return config


def expanded(entries: list[Any], docs: Path) -> list[Any]:
    """Return the entries of a navigation with the pages that their patterns match, and no empty group."""
    pages: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            for title, inside in entry.items():
                inner = expanded(inside, docs) if isinstance(inside, list) else inside
                pages += [{title: inner}] if inner else []
        elif "*" in entry:
            pages += sorted(str(path.relative_to(docs).as_posix()) for path in docs.glob(entry))
        else:
            pages.append(entry)
    return pages


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Put a file of the repository's root where a page says "<!-- include: FILE -->", with links as from docs/."""
    root = Path(config.config_file_path).parent

    def text(match: re.Match[str]) -> str:
        return (root / match[1]).read_text(encoding="utf-8").replace("](docs/", "](")

    return INCLUDED.sub(text, markdown)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Keep names in one piece, which browsers break at hyphens; open pictures by a click; say a page's language."""
    content = WITH_HYPHENS.sub(r'<code class="whole">\1</code>', content)
    content = PICTURE.sub(r'<p><a href="\2">\1</a></p>', content)
    return f'<div lang="de">{content}</div>' if page.file.src_uri.startswith("course/de/") else content
