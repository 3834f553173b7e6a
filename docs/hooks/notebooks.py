"""Notebooks as pages: their text, code and pictures where a page names the file, and the file itself beside the page.

The pictures are those that ``benchmarks/notebooks.py`` kept; a cell names its own in its metadata.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

NOTEBOOK = re.compile(r"^<!-- notebook: (\S+\.ipynb) -->$", re.MULTILINE)
OPEN = "This page is the notebook [{name}]({name}), without what it prints. [How to open it](../notebooks.md#open-one)."


def on_files(files: Any, config: Any) -> Any:
    """Put the notebooks beside their pages, to be downloaded."""
    from mkdocs.structure.files import File  # noqa: PLC0415 (the tests read this file without MkDocs)

    for path in sorted((Path(config.config_file_path).parent / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Put a notebook where a page says "<!-- notebook: FILE -->"."""
    root = Path(config.config_file_path).parent
    return NOTEBOOK.sub(lambda match: as_markdown(root / match[1]), markdown)


def as_markdown(file: Path) -> str:
    """Return the text, code and pictures of a notebook, with links as from docs/notebooks."""
    parts = []
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"(\]\([\w-]+)\.ipynb\)", r"\1.md)", source.replace("](../docs/", "](../")))
            continue
        parts.append(f"```python\n{source}\n```")
        if picture := cell["metadata"].get("picture"):
            parts.append(f"![{picture['alt']}](../{picture['file']})")
    title, _, rest = parts[0].partition("\n")
    return "\n\n".join([title, OPEN.format(name=file.name), rest.strip(), *parts[1:]])
