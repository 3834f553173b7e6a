"""Which output belongs to which target: by name, whatever suffixes the tools put behind it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from perceptualloss.errors import InputError
from perceptualloss.pictures.listing import picture_files

_ROLES = "sr hr lr gt lq hq out output result target ref reference fake real rlt"
_METHODS = "bicubic bilinear nearest lanczos"
_SUFFIX = re.compile(
    rf"(?:[-_. ]+(?:{'|'.join(f'{_ROLES} {_METHODS}'.split())}|srf[-_]?\d|scale[-_]?\d|x\d|\d+x)|(?<=[a-z\d])x[2348])$",
    re.IGNORECASE,
)
_LOW = re.compile(r"[-_. ](?:lr|lq)(?:[-_. ]?(?:x\d|\d+x))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Pairing:
    """``pairs`` maps a picture's name to its output and target; ``unmatched`` are the files without a partner."""

    pairs: dict[str, tuple[Path, Path]]
    unmatched: list[Path]


def bare_name(name: str) -> str:
    """Return a file's name without ending and without suffixes that say its role, scale or method.

    >>> bare_name("img_001_SRF_4_HR.png"), bare_name("baby_x4-bicubic.png"), bare_name("Set5/babyx4.png")
    ('img_001', 'baby', 'Set5/baby')
    """
    path = PurePath(unicodedata.normalize("NFC", name))
    stem = path.stem
    while (shorter := _SUFFIX.sub("", stem)) != stem and shorter:
        stem = shorter
    return path.with_name(stem).as_posix()


def match_names(outputs: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Return the target of each output that has one, by file names; no file is used twice.

    In turn: the same name but for the ending; the same name without common suffixes (:func:`bare_name`); a
    target's bare name followed by ``_``, ``-``, ``.`` or a space begins the output's (the longest such). Upper
    and lower case are alike. Of several outputs that fit one target equally well, none is taken.

    >>> match_names(["baby_x4.png", "bird_ESRGAN_final.png"], ["baby_HR.png", "bird.png", "head.png"])
    {'baby_x4.png': 'baby_HR.png', 'bird_ESRGAN_final.png': 'bird.png'}
    """
    matches: dict[str, str] = {}
    for rule in (_same_stem, _same_bare_name, _begins_with):
        free_outputs = [name for name in outputs if name not in matches]
        free_targets = [name for name in targets if name not in matches.values()]
        chosen = rule(free_outputs, free_targets)
        claims = Counter(chosen.values())
        matches |= {output: target for output, target in chosen.items() if claims[target] == 1}
    return {name: matches[name] for name in outputs if name in matches}


def pair_files(outputs: Path, targets: Path) -> Pairing:
    """Pair two files, or the pictures of two folders (and folders within) by name.

    Low-resolution inputs (``_LR``) that lie beside the targets are no targets, unless there is nothing else.

    Raises:
        InputError: A folder and a file, nothing to read, or no pair at all.
    """
    if outputs.is_dir() != targets.is_dir():
        raise InputError("two files or two folders", f"{outputs} and {targets}", "Check both paths.")
    if not outputs.is_dir():
        for file in (outputs, targets):
            if not file.is_file():
                raise InputError(f"a picture or a folder at {file}", "nothing there")
        return Pairing({outputs.stem: (outputs, targets)}, [])
    results, goals = _by_name(outputs, picture_files(outputs)), _by_name(targets, target_files(targets))
    matches = match_names(list(results), list(goals))
    if not matches:
        first = next(iter(results))
        remedy = f"{first} needs a target of that name, such as {bare_name(first)}_HR.png."
        raise InputError(f"outputs in {outputs} with the names of the targets in {targets}", "no pair", remedy)
    names = picture_names([goals[target] for target in matches.values()], targets)
    pairs = {names[goals[target]]: (results[output], goals[target]) for output, target in matches.items()}
    used = {file for pair in pairs.values() for file in pair}
    return Pairing(pairs, [file for file in (*results.values(), *goals.values()) if file not in used])


def target_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder without low-resolution inputs (``_LR``, ``_LQ``), unless all are such.

    Raises:
        InputError: No such folder, or no picture in it.
    """
    files = picture_files(folder)
    return [file for file in files if not _LOW.search(file.stem)] or files


def picture_names(files: Iterable[Path], folder: Path) -> dict[Path, str]:
    """Return a short name for each target: without common suffixes where that tells them apart."""
    files = list(files)
    bare = {file: bare_name(file.relative_to(folder).as_posix()) for file in files}
    counts = Counter(bare.values())
    return {
        file: name if counts[name] == 1 else file.relative_to(folder).with_suffix("").as_posix()
        for file, name in bare.items()
    }


def _by_name(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    return {file.relative_to(folder).as_posix(): file for file in files}


def _stem(name: str) -> str:
    return PurePath(unicodedata.normalize("NFC", name)).with_suffix("").as_posix().casefold()


def _same_stem(outputs: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    known = {_stem(target): target for target in targets}
    return {output: known[_stem(output)] for output in outputs if _stem(output) in known}


def _same_bare_name(outputs: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    counts = Counter(bare_name(target).casefold() for target in targets)
    known = {bare_name(target).casefold(): target for target in targets}
    return {output: known[key] for output in outputs if counts[key := bare_name(output).casefold()] == 1}


def _begins_with(outputs: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    known = {bare_name(target).casefold(): target for target in targets}
    fitted = {}
    for output in outputs:
        stem = _stem(output)
        fitting = [key for key in known if stem.startswith(key) and stem[len(key) :][:1] in ("_", "-", ".", " ")]
        if fitting:
            fitted[output] = known[max(fitting, key=len)]
    return fitted
