"""Make the pictures of the documentation anew, each by the script that it came from.

    make gallery                            those that need nothing beside the package; each says how long it took
    make gallery GALLERY='start losses'     those named
    make gallery GALLERY=--list             what there is, what makes it, and what it needs
    make gallery GALLERY=--check            fail where a picture has no entry, an entry no picture, or is stale

A picture is stale when the script that made it, a script of benchmarks/ that this imports, or a network that it shows
or looks through has changed since. A hash of these stands in docs/images/gallery.json and is written when the picture
is made; ``--accept NAME ...`` writes it for pictures that are still right. Changes of the package's code are not
watched. Where the script alone cannot make a picture, because it takes runs of hours, a browser or the photos of
../shared, the entry says so, and gives the command.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filling import ROOT
from notebooks import code_cells

IMAGES = ROOT / "docs" / "images"
RECORD = IMAGES / "gallery.json"
SCRIPTS = ROOT / "benchmarks"
PACKAGE = ROOT / "src" / "perceptualloss"
TRAINED, COMPACT = "networks/trained/", "features/embedded/compact.safetensors"
EMBEDDED = "features/embedded/*.safetensors"
IMPORT = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)
SHOWN = re.compile(r"images/([\w./-]+\.(?:jpg|png|svg))")
SHARED_PHOTOS = "the photos of ../shared"
VGG16 = "VGG-16's weights, in torch.hub's cache or in the folder that PERCEPTUALLOSS_WEIGHTS names"


@dataclass(frozen=True)
class Entry:
    """Pictures that one command makes.

    Attributes:
        files: patterns of their files in docs/images.
        command: a script of benchmarks/ with its arguments, run from the root of the repository.
        needs: what it takes beside the package; such pictures are made only when they are named.
        networks: patterns, in the package, of the weights that the pictures show or look through.
    """

    files: tuple[str, ...]
    command: str
    needs: str = ""
    networks: tuple[str, ...] = ()

    def pictures(self) -> set[Path]:
        """Return the files that are there."""
        return {file for pattern in self.files for file in IMAGES.glob(pattern)}

    def state(self) -> str:
        """Return a hash of what the pictures are made from: the scripts, and the networks."""
        script, *words = self.command.split()
        sources = sorted(imported(SCRIPTS / script))
        sources += [ROOT / word for word in words if word.endswith(".ipynb")]
        sources += sorted(file for pattern in self.networks for file in PACKAGE.glob(pattern))
        return hashlib.sha256(b"".join(hashlib.sha256(content(file)).digest() for file in sources)).hexdigest()


def content(file: Path) -> bytes:
    """Return what is in a file; of a notebook its code."""
    if file.suffix != ".ipynb":
        return file.read_bytes()
    return json.dumps([cell["source"] for cell in code_cells(file)]).encode()


def imported(script: Path, known: frozenset[Path] = frozenset()) -> frozenset[Path]:
    """Return a script and those of benchmarks/ that it imports, and so on."""
    known |= {script}
    for name in IMPORT.findall(script.read_text(encoding="utf-8")):
        file = SCRIPTS / f"{name}.py"
        if file.is_file() and file not in known:
            known = imported(file, known)
    return known


GALLERY = {
    "start": Entry(("start.jpg", "start-*.jpg"), "start_page.py", networks=(f"{TRAINED}subpixel4x-*.safetensors",)),
    "perception": Entry(
        ("perception.jpg",),
        "gallery_pictures.py --only perception",
        networks=(f"{TRAINED}subpixel4x-mse.safetensors", f"{TRAINED}subpixel4x-perceptual.safetensors"),
    ),
    "loss-map": Entry(("loss-map.jpg",), "gallery_pictures.py --only loss-map", networks=(COMPACT,)),
    "layers": Entry(("layers.jpg",), "gallery_pictures.py --only layers", networks=(COMPACT,)),
    "losses": Entry(("losses/*.jpg",), "loss_effects.py --no-costs", networks=(COMPACT,)),
    "network-figures": Entry(("networks/*.svg",), "network_figures.py"),
    "network-effects": Entry(("networks/*.jpg",), "network_effects.py"),
    "guides": Entry(("degradations.jpg", "training-step.svg"), "guide_figures.py"),
    "rooms": Entry(("rooms.svg",), "room_figure.py"),
    "course-figures": Entry(("course/*.svg",), "course_figures.py"),
    "course-pictures": Entry(("course/*.jpg",), "course_pictures.py", networks=(COMPACT,)),
    "upscaling": Entry(
        ("upscaling.jpg",), "upscaling_sheet.py", SHARED_PHOTOS, (f"{TRAINED}subpixel4x-*.safetensors",)
    ),
    "outside": Entry(
        ("outside.jpg",), "outside_sheet.py", "the packages of docs/outside.md", (f"{TRAINED}subpixel4x-*.safetensors",)
    ),
    "styles": Entry(("styles.jpg",), "style_sheet.py", SHARED_PHOTOS, (f"{TRAINED}style-*.safetensors",)),
    "notebook-1": Entry(("notebooks/1-*",), "notebooks.py notebooks/1-plain-loop.ipynb", networks=(EMBEDDED,)),
    "notebook-2": Entry(("notebooks/2-*",), "notebooks.py notebooks/2-lightning.ipynb", networks=(EMBEDDED,)),
    "notebook-3": Entry(("notebooks/3-*",), "notebooks.py notebooks/3-layers-and-networks.ipynb", VGG16, (EMBEDDED,)),
    "notebook-4": Entry(("notebooks/4-*",), "notebooks.py notebooks/4-own-loss-network.ipynb", VGG16, (EMBEDDED,)),
    "masks": Entry(("masks.jpg",), "masks.py --out docs/images", networks=(COMPACT,)),
    "autoencoders": Entry(
        ("autoencoders.jpg",), "autoencoders.py --runs runs", f"{SHARED_PHOTOS}, and six finished runs in runs/"
    ),
    "balance": Entry(("balance.png",), "balance.py --out docs/images/balance.png", SHARED_PHOTOS, (COMPACT,)),
    "course-runs": Entry(
        ("course.jpg", "course-curves.png"),
        "course.py",
        f"{SHARED_PHOTOS}, and the two runs of docs/course/results.md in runs/, with checkpoints set aside in kept/",
    ),
    "page": Entry(
        ("page.jpg", "page-phone.jpg"), "page.py", "chromium, and a choice among the screenshots in runs/page"
    ),
}
"""Every picture of the documentation, by a short name."""


def faults() -> list[str]:
    """Return what is wrong: pictures that no entry or two make, entries without a picture, pictures of no document."""
    there = {file for file in IMAGES.rglob("*") if file.suffix in (".jpg", ".png", ".svg")}
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    shown = {place for file in texts for place in SHOWN.findall(file.read_text(encoding="utf-8"))}
    makers: dict[Path, list[str]] = {file: [] for file in there}
    found = []
    for name, entry in GALLERY.items():
        if not entry.pictures():
            found.append(f"{name}: no picture {' '.join(entry.files)}")
        for file in entry.pictures():
            makers[file].append(name)
    for file, names in sorted(makers.items()):
        place = file.relative_to(IMAGES).as_posix()
        if len(names) != 1:
            found.append(f"{place}: made by {' and '.join(names)}" if names else f"{place}: no entry makes it")
        if place not in shown:
            found.append(f"{place}: no document shows it")
    return found


def stale() -> list[str]:
    """Return the names of the entries whose script or networks changed since their pictures were made."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    return [name for name, entry in GALLERY.items() if record.get(name) != entry.state()]


def accept(names: list[str]) -> None:
    """Record that the pictures of these entries are as their scripts make them now."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    record |= {name: GALLERY[name].state() for name in names}
    RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n", encoding="utf-8")


def make(name: str) -> bool:
    """Run one entry's command; say whether it made the pictures."""
    entry, started = GALLERY[name], time.time()
    words = entry.command.split()
    print(f"{name}: python benchmarks/{entry.command}", flush=True)
    done = subprocess.run([sys.executable, SCRIPTS / words[0], *words[1:]], cwd=ROOT, check=False)
    needs = f"; it needs {entry.needs}" if entry.needs else ""
    if done.returncode:
        print(f"error: {name} was not made: its command ended with {done.returncode}{needs}", file=sys.stderr)
        return False
    old = [file.name for file in sorted(entry.pictures()) if file.stat().st_mtime < started - 1]
    if old:
        print(f"error: {name}: {', '.join(old)} in docs/images is as it was{needs}", file=sys.stderr)
        return False
    accept([name])
    print(f"{name}: made in {time.time() - started:.0f} s", flush=True)
    return True


def show() -> None:
    old = stale()
    for name, entry in GALLERY.items():
        needs = f"; needs {entry.needs}" if entry.needs else ""
        print(f"{name}{' (stale)' if name in old else ''}: python benchmarks/{entry.command}{needs}")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which pictures; without any, all that need nothing")
    parser.add_argument("--list", action="store_true", help="print them, make nothing")
    parser.add_argument("--check", action="store_true", help="make nothing; fail where something is wrong or stale")
    parser.add_argument("--accept", action="store_true", help="make nothing; record that the named are still right")
    options = parser.parse_args(words)
    unknown = [name for name in options.names if name not in GALLERY]
    if unknown:
        parser.error(f"no picture {unknown[0]!r}; there are {', '.join(GALLERY)}")
    if options.list:
        show()
    elif options.check:
        wrong = [*faults(), *(f"{name}: stale, make it anew or --accept it" for name in stale())]
        sys.exit("\n".join(wrong) if wrong else None)
    elif options.accept:
        if not options.names:
            parser.error("--accept takes the names of the pictures that are still right")
        accept(options.names)
    else:
        for name, entry in GALLERY.items() if not options.names else ():
            if entry.needs:
                print(f"{name}: left as it is, needs {entry.needs}")
        chosen = options.names or [name for name, entry in GALLERY.items() if not entry.needs]
        started = time.time()
        made = [make(name) for name in chosen]
        print(f"{sum(made)} of {len(made)} made, in {(time.time() - started) / 60:.1f} minutes")
        sys.exit(None if all(made) else 1)


if __name__ == "__main__":
    main()
