"""Licences of the weights that ship, from their cards, and of the packages that come along, from their metadata.

    python benchmarks/licences.py [--check]   fill the tables of docs/licences.md, and write NOTICE

The table of packages is of the environment that this runs in: one with all extras (``make`` sets it up).
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from filling import ROOT, Tables, fill
from perceptualloss.errors import InputError

PAGE, NOTICE = ROOT / "docs" / "licences.md", ROOT / "NOTICE"
FOLDERS = ("src/perceptualloss/features/embedded", "src/perceptualloss/networks/trained")
VGG = "Visual Geometry Group"
_SOURCES = ("CID22", "CLIC 2025", "Wikimedia Commons", "Budgie", "Pexels", "Unsplash", "Tiny-ImageNet")
_TERMS = r"CC BY(?:-SA)?(?: \d\.\d)?|CC0|GFDL|Free Art|Pexels|Unsplash"
_SHORT = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Python Software Foundation License": "PSF (matplotlib's)",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
EXTRAS = ("heic", "hub", "metrics", "onnx", "serve", "spandrel", "video", "backbones", "diffusers")
REMARKS = {
    "av": "its wheel holds FFmpeg (LGPL-3.0) and the encoders x264 and x265 (GPL-2.0)",
    "pillow-heif": "its wheel holds libheif and libde265 (LGPL-3.0) and the encoder x265 (GPL-2.0)",
    "stlpips-pytorch": "its wheel holds the weights of ST-LPIPS, which are used; none of its code is",
}


def weight_files() -> list[Path]:
    """Return the files of weights that ship, each of which has a card beside it."""
    return [file for folder in FOLDERS for file in sorted((ROOT / folder).glob("*.safetensors"))]


def entry(card: Path, name: str) -> str:
    """Return what a card says under a bold name, in one line; "" without such an entry."""
    found = re.search(
        rf"^- \*\*{name}:\*\* (.*?)(?=^- \*\*|^$)", card.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return " ".join(found[1].split()) if found else ""


def learned_from(card: Path) -> str:
    """Return the sources of the pictures and the licences that the card says they have.

    Raises:
        InputError: for a card that names no source that is known here.
    """
    text = entry(card, "Data").partition("No picture")[0]
    sources = [source for source in _SOURCES if source in text]
    if not sources:
        raise InputError(f"one of {', '.join(_SOURCES)} under Data in {card.name}", text[:80], "Add it to _SOURCES.")
    painting = ["a painting in the public domain"] if "public domain" in text else []
    terms = list(dict.fromkeys(re.findall(_TERMS, text)))
    return f"{', '.join([*sources, *painting])} ({', '.join(terms)})"


def licence(card: Path) -> str:
    """Return what a card says of the licence, "as the package" left out."""
    said = entry(card, "Licence").removeprefix("as the package, ").rstrip(".")
    if not said:
        raise InputError(f"an entry Licence in {card.name}", "none")
    return said


def weights_table() -> str:
    """Return a row for each file of weights that ships."""
    heads = ("file", "MB", "pictures it learned from", "looked through, name it", "licence")
    rows = []
    for file in weight_files():
        card = file.with_suffix(".md")
        teacher = f"VGG-16, {VGG}, CC BY 4.0" if VGG in card.read_text(encoding="utf-8") else ""
        size = f"{file.stat().st_size / 1e6:.1f}"
        rows.append((f"`{file.parent.name}/{file.name}`", size, learned_from(card), teacher, licence(card)))
    return _table(heads, rows)


def packages_table() -> str:
    """Return a row for each package that this one needs, or that one of its extras brings, and what these need."""
    needed = dict.fromkeys(_closure(_direct(None), set()), "always")
    for extra in EXTRAS:
        needed |= dict.fromkeys(_closure(_direct(extra), set(needed)), extra)
    rows = [(name, place, _licence_of(name), REMARKS.get(name, "")) for name, place in needed.items()]
    rows.sort(key=lambda row: (row[1] != "always", row[1], row[0]))
    return _table(("package", "comes with", "licence, as it says", "remark"), rows)


def notice() -> str:
    """Return the text of NOTICE: what must be named when the package or its weights are passed on."""
    taught = [file for file in weight_files() if VGG in file.with_suffix(".md").read_text(encoding="utf-8")]
    lines = [
        "perceptualloss",
        "",
        "Code and weights are licensed under the Apache License 2.0 (LICENSE). They hold no training picture and no",
        "weights of others.",
        "",
        "The weights listed here learned from the features of VGG-16, by Karen Simonyan and Andrew Zisserman, Visual",
        "Geometry Group, University of Oxford (https://www.robots.ox.ac.uk/~vgg/research/very_deep/), licensed under",
        "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). Name them where you pass these files on:",
        "",
        *(f"    {file.parent.name}/{file.name}" for file in taught),
        "",
    ]
    further = {file: licence(file.with_suffix(".md")).partition(". ")[2] for file in weight_files()}
    if own := {file: text for file, text in further.items() if text and file not in taught}:
        lines += ["Terms that cards of weights add:", ""]
        lines += [f"    {file.parent.name}/{file.name}: {text}" for file, text in own.items()]
        lines.append("")
    return "\n".join(lines)


TABLES: Tables = {"weights": weights_table, "packages": packages_table}


def main() -> int:
    """Fill or compare; return 1 where something was out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = fill([PAGE], TABLES, options.check)
    text = notice()
    if not NOTICE.is_file() or NOTICE.read_text(encoding="utf-8") != text:
        stale.append(NOTICE)
        if not options.check:
            NOTICE.write_text(text, encoding="utf-8")
    print(*(f"{file.relative_to(ROOT)}: {'out of date' if options.check else 'written'}" for file in stale), sep="\n")
    return int(options.check and bool(stale))


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _direct(extra: str | None) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return [Requirement(text).name for text in wanted]


def _closure(names: list[str], known: set[str]) -> Iterator[str]:
    """Give packages and what they need, each once, those that are installed."""
    for name in names:
        canonical = re.sub(r"[-_.]+", "-", name).lower()
        if canonical in known:
            continue
        known.add(canonical)
        try:
            wanted = [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:  # of another system
            continue
        yield canonical
        here = [r.name for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
        yield from _closure([*here, *_of_extras(wanted, name)], known)


def _of_extras(wanted: list[Requirement], name: str) -> list[str]:
    """Return what requirements with extras bring, such as torch's CUDA packages."""
    found: list[str] = []
    for requirement in (r for r in wanted if r.extras and (r.marker is None or r.marker.evaluate({"extra": ""}))):
        for text in metadata.requires(requirement.name) or []:
            inner = Requirement(text)
            if inner.marker and any(inner.marker.evaluate({"extra": extra}) for extra in requirement.extras):
                found.append(inner.name)
    return found


def _licence_of(name: str) -> str:
    """Return what a package's metadata says: an SPDX expression, else its classifiers, else its first words."""
    about = metadata.metadata(name)
    for expression in about.get_all("License-Expression") or []:
        return str(expression)
    said = " ".join(" ".join(about.get_all("License") or []).split())
    if 0 < len(said) <= 40:
        return said
    if named := re.match(r"BSD \d-Clause|MIT License", said):
        return named[0]
    classifiers = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    return ", ".join(_SHORT.get(c, c) for c in classifiers) or said[:60] or "not said"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"error: {error}")
