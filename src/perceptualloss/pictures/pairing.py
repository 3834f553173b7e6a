"""Which output belongs to which target: by name, whatever suffixes the tools put behind it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perceptualloss.errors import InputError
from perceptualloss.pictures.listing import picture_files

_ROLES = "sr hr lr gt lq hq out output result target ref reference fake real rlt mask"
_METHODS = "bicubic bilinear nearest lanczos"
_SUFFIX = re.compile(
    rf"[-_. ]+(?:{'|'.join(f'{_ROLES} {_METHODS}'.split())}|srf[-_]?\d|scale[-_]?\d|x\d|\d+x)$", re.IGNORECASE
)
_GLUED = re.compile(r"(?<=[a-z\d])x[2348]$", re.IGNORECASE)  # babyx4, 0801x4
_LOW = re.compile(r"[-_. ](?:lr|lq)(?:[-_. ]?(?:x\d|\d+x))?$", re.IGNORECASE)
_NUMBER = re.compile(r"^[-_. (]+\d+\)?(?![^-_. ])|[-_ (]\d+\)?$")  # img_2, img_2_net, img (2), img_net_2
_LONG = 3  # letters before such a scale that make it one in a name alone
_NAMED = 3  # ambiguities that an error names

Key = Callable[[str], str]


@dataclass(frozen=True)
class Pairing:
    """``pairs`` maps a picture's name to its output and target; ``unmatched`` are the files without a partner."""

    pairs: dict[str, tuple[Path, Path]]
    unmatched: list[Path]


def bare_name(name: str, glued: bool = True) -> str:
    """Return a file's name without ending and without suffixes that say its role, scale or method.

    Args:
        name: of the file, perhaps with folders before it.
        glued: whether ``x4`` right behind a letter or digit is such a suffix.

    >>> bare_name("img_001_SRF_4_HR.png"), bare_name("baby_x4-bicubic.png"), bare_name("Set5/babyx4.png")
    ('img_001', 'baby', 'Set5/baby')
    """
    folder, slash, stem = _stem(name).rpartition("/")
    while (shorter := _shortened(stem, glued)) != stem and shorter:
        stem = shorter
    return folder + slash + stem


def match_names(outputs: Sequence[str], targets: Sequence[str], suffixes: Sequence[str] = ()) -> dict[str, str]:
    """Return the target of each output that has one, by file names; no file is used twice.

    In turn: an output's name without one of ``suffixes``; the same name; the same but for the ending; the same without
    common suffixes (:func:`bare_name`); a target's bare name and then ``_``, ``-``, ``.`` or a space begin the
    output's. In each turn names as they are come before names in which upper and lower case are alike. Where several
    targets' names begin an output's, the one is taken that leaves what the tool put behind other outputs. ``x4``
    right behind a name is a suffix where all files have such. A number alone is none, unless ``suffixes`` has it.

    Raises:
        InputError: files that fit equally well.

    >>> match_names(["baby_x4.png", "bird_ESRGAN_final.png"], ["baby_HR.png", "bird.png", "head.png"])
    {'baby_x4.png': 'baby_HR.png', 'bird_ESRGAN_final.png': 'bird.png'}
    >>> match_names(["a_mine_2.png", "a.png"], ["a.jpg"], ["_mine_2"])
    {'a_mine_2.png': 'a.jpg'}
    """
    bare_output, bare_target = (partial(bare_name, glued=_all_glued(names)) for names in (outputs, targets))
    matches: dict[str, str] = {}
    if suffixes:
        said = [name for name in outputs if _without(name, suffixes) != _stem(name)]
        _match(matches, said, targets, lambda name: _without(name, suffixes), _stem)
    _match(matches, outputs, targets, str, str)
    for of_output, of_target in ((_composed, _composed), (_stem, _stem), (bare_output, bare_target)):
        _match(matches, outputs, targets, of_output, of_target)
        _match(matches, outputs, targets, _folded(of_output), _folded(of_target))
    _match_beginnings(matches, outputs, targets, _folded(bare_target))
    return {name: matches[name] for name in outputs if name in matches}


def pair_files(outputs: Path, targets: Path, suffixes: Sequence[str] = ()) -> Pairing:
    """Pair two files, or the pictures of two folders (and folders within) by name.

    Low-resolution inputs (``_LR``) that lie beside the targets are no targets, unless there is nothing else.

    Args:
        outputs: a picture or a folder.
        targets: likewise.
        suffixes: what else may stand behind an output's name, before the ending (see :func:`match_names`).

    Raises:
        InputError: A folder and a file, nothing to read, files that fit equally well, or no pair at all.
    """
    if outputs.is_dir() != targets.is_dir():
        raise InputError("two files or two folders", f"{outputs} and {targets}", "Check both paths.")
    if not outputs.is_dir():
        for file in (outputs, targets):
            if not file.is_file():
                raise InputError(f"a picture or a folder at {file}", "nothing there")
        return Pairing({outputs.stem: (outputs, targets)}, [])
    results, goals = _by_name(outputs, picture_files(outputs)), _by_name(targets, target_files(targets))
    try:
        matches = match_names(list(results), list(goals), suffixes)
    except InputError as error:
        got = f"{error.got} ({outputs} against {targets})"
        raise InputError(error.expected, got, error.remedy) from error
    if not matches:
        first = next(iter(results))
        remedy = f"{first} needs a partner of that name, such as {bare_name(first)}_HR.png."
        expected = f"pictures in {outputs} with the names of those in {targets}"
        raise InputError(expected, "no pair", f"{remedy} Other suffixes are for --suffix of evaluate.")
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
    """Return a short name for each target, all different: without suffixes or ending where that tells them apart."""
    files = list(files)
    whole = {file: file.relative_to(folder).as_posix() for file in files}
    names = dict.fromkeys(files, "")
    for shorten in (partial(bare_name, glued=_all_glued(list(whole.values()))), _stem, str):
        short = {file: shorten(whole[file]) for file, name in names.items() if not name}
        taken = [*short.values(), *names.values()]
        names |= {file: name for file, name in short.items() if taken.count(name) == 1}
    return names if all(names.values()) else whole


def _match(
    matches: dict[str, str], outputs: Sequence[str], targets: Sequence[str], of_output: Key, of_target: Key
) -> None:
    """Add to ``matches`` the outputs and targets, not in it yet, that have one key."""
    free_outputs, free_targets = _grouped(outputs, matches, of_output), _grouped(targets, matches.values(), of_target)
    both = [(free_outputs[key], free_targets[key]) for key in free_outputs if key in free_targets]
    _refuse([pair for pair in both if max(map(len, pair)) > 1])
    matches |= {output: target for (output,), (target,) in both}


def _match_beginnings(matches: dict[str, str], outputs: Sequence[str], targets: Sequence[str], of_target: Key) -> None:
    """Add outputs, not in ``matches`` yet, that begin with a target's key."""
    known = _grouped(targets, (), of_target)
    fits = {output: _begun(output, known) for output in outputs if output not in matches}
    usual = {rest for found in fits.values() if len(found) == 1 for rest in found}
    claims: dict[str, list[str]] = {}
    for output, found in fits.items():
        chosen = found if len(found) < 2 else {rest: found[rest] for rest in found if rest in usual} or found
        fitting = [target for several in chosen.values() for target in several]
        if len(fitting) > 1:
            _refuse([([output], fitting)])
        if fitting and fitting[0] not in matches.values():
            claims.setdefault(fitting[0], []).append(output)
    _refuse([(several, [target]) for target, several in claims.items() if len(several) > 1])
    matches |= {output: target for target, (output,) in claims.items()}


def _begun(output: str, known: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the targets with whose key an output begins, by what it has behind that."""
    stem = _folded(_stem)(output)
    bare = _folded(lambda name: bare_name(name, glued=False))(output)
    places = [place for place in range(stem.rfind("/") + 2, len(stem)) if stem[place] in "_-. "]
    return {
        stem[place:]: known[stem[:place]]
        for place in places
        if stem[:place] in known and not _NUMBER.search(stem[place:]) and not _NUMBER.search(bare[place:])
    }


def _refuse(ambiguous: list[tuple[list[str], list[str]]]) -> None:
    """Raise for groups of outputs and targets of which any could belong to any."""
    if not ambiguous:
        return
    words = [f"{' and '.join(sorted(a))} for {' and '.join(sorted(b))}" for a, b in sorted(ambiguous)[:_NAMED]]
    more = f" and {len(ambiguous) - _NAMED} more" if len(ambiguous) > _NAMED else ""
    remedy = "Move or rename what is not meant, or say with evaluate's --suffix what stands behind the names."
    raise InputError("one file of a name for each picture", f"{'; '.join(words)}{more}", remedy)


def _grouped(names: Sequence[str], used: Iterable[str], key: Key) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    taken = set(used)
    for name in names:
        if name not in taken:
            groups.setdefault(key(name), []).append(name)
    return groups


def _by_name(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    return {file.relative_to(folder).as_posix(): file for file in files}


def _composed(name: str) -> str:
    """Return a name with its accents in one letter each; macOS writes them apart."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _stem(name: str) -> str:
    start, dot, ending = _composed(name).rpartition(".")
    return start if start and start[-1:] != "/" and "/" not in ending else start + dot + ending


def _folded(key: Key) -> Key:
    return lambda name: _composed(key(name).casefold())


def _shortened(stem: str, glued: bool) -> str:
    shorter = _SUFFIX.sub("", stem)
    return _GLUED.sub("", stem) if glued and shorter == stem else shorter


def _all_glued(names: Sequence[str]) -> bool:
    """Whether all names end in a scale such as ``x4``, as benchmarks' do; a single ``max2`` does not."""
    found = [_GLUED.search(bare_name(name, glued=False)) for name in names]
    scales = {match[0].lower() for match in found if match}
    long = all(match and len(match.string[: match.start()].rpartition("/")[2]) >= _LONG for match in found)
    return None not in found and (long or (len(names) > 1 and len(scales) == 1))


def _without(name: str, suffixes: Sequence[str]) -> str:
    """Return a name without ending and without the longest of ``suffixes`` that it has."""
    stem = _stem(name)
    fitting = [
        suffix for suffix in map(_composed, suffixes) if stem.endswith(suffix) and suffix != stem.rpartition("/")[2]
    ]
    return stem[: -len(max(fitting, key=len))] if any(fitting) else stem
