"""Options of a loss within a recipe: ``--loss.L1Loss.weight 2`` changes that, and leaves the rest of the loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonargparse import get_loader


def with_whole_loss(words: list[str]) -> list[str]:
    """Return the words of ``train --recipe FILE`` with its options ``--loss.NAME...`` replaced by one ``--loss``.

    jsonargparse would replace all that is said of a loss by the one option that is named.
    """
    file = Path(words[words.index("--recipe") + 1]) if "--recipe" in words[:-1] else None
    if file is None or not file.is_file():
        return words
    load = get_loader("yaml")
    recipe = load(file.read_text(encoding="utf-8"))
    loss = recipe.get("loss") if isinstance(recipe, dict) else None
    if not isinstance(loss, dict) or "--loss" in words:
        return words
    kept: list[str] = []
    rest = iter(words)
    changed = False
    for word in rest:
        name, equals, value = word.partition("=")
        if not name.startswith("--loss."):
            kept.append(word)
            continue
        changed = True
        _set(loss, name.split(".")[1:], load(value if equals else next(rest, "")))
    return [*kept, "--loss", json.dumps(loss)] if changed else words


def _set(settings: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set an option among nested ones; a bare weight on the way is kept as an option ``weight``."""
    *path, last = keys
    for key in path:
        inner = settings.get(key)
        bare = {} if inner is None else {"weight": inner}
        settings[key] = inner if isinstance(inner, dict) else bare
        settings = settings[key]
    settings[last] = value
