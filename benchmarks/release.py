"""Build the wheel and the sdist, check them, and use the wheel as its users do: alone, in an empty environment.

    python benchmarks/release.py [--out dist] [--keep FOLDER]

The wheel is built from the tree and from the sdist, and both must have the same content: the files of the package that
git knows, and the licences. ``twine check`` looks at them. Then the wheel is installed into a fresh environment in a
temporary folder, by uv or pip with constraints.txt, and what the README gives its four users runs there without the
source tree. Prints a table of commands, seconds and exit statuses; fails where one is not 0 or does not write what it
should. ``make release`` runs it with what it needs, the extra ``release``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filling import ROOT

LARGEST = 40_000_000  # bytes of a wheel
NEEDED = ("py.typed", "page/static/", "page/templates/", "page/texts/", "drawing/templates/", "training/recipes/")
PREPARE = """
from pathlib import Path
from PIL import Image
import skimage.data
folder = Path(skimage.data.__file__).parent
Path("my-photos").mkdir()
for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
    file = folder / name
    if file.is_file():
        photo = Image.open(file).convert("RGB")
        photo.thumbnail((256, 256))
        photo.save(Path("my-photos") / f"{file.stem}.png")
photos = sorted(Path("my-photos").iterdir())
assert photos, folder
Image.open(photos[0]).resize((160, 120)).save("photo.jpg")
"""
LOOP = """
import torch
from perceptualloss import PerceptualLoss

loss = PerceptualLoss("compact", {"relu2_2": 1.0})
output, target = torch.rand(2, 3, 64, 64, requires_grad=True), torch.rand(2, 3, 64, 64)
value = loss(output, target)
value.backward()
assert output.grad is not None and output.grad.isfinite().all()
"""


@dataclass(frozen=True)
class Step:
    """A command, and what it must have written."""

    who: str
    words: tuple[str, ...]
    writes: str = ""

    @property
    def text(self) -> str:
        """The command as a user types it."""
        return "python loop.py" if self.words[0] == "python" else " ".join(self.words)


TRAIN = ("perceptualloss", "train", "upscale2x-perceptual")
STEPS = (
    Step("", ("perceptualloss", "--version")),
    Step("", ("perceptualloss", "doctor")),
    Step("a loop of one's own", ("python", "loop.py")),
    Step(
        "learns why MSE blurs",
        ("perceptualloss", "compare", "--photos", "my-photos", "--steps", "10", "--warm-up-steps", "5"),
        "runs/compare/upscale2x/report.html",
    ),
    Step("has pictures", ("perceptualloss", "upscale", "photo.jpg", "-o", "large.png"), "large.png"),
    Step(
        "has pictures",
        ("perceptualloss", "stylize", "photo.jpg", "-o", "painted.png", "--style", "wave"),
        "painted.png",
    ),
    Step("has pictures", ("perceptualloss", "restore", "photo.jpg", "-o", "clean.png", "--of", "noise"), "clean.png"),
    Step(
        "trains",
        (
            *TRAIN,
            "--photos",
            "my-photos",
            "--validation",
            "1",
            "--steps",
            "6",
            "--warm-up-steps",
            "2",
            "--batch-size",
            "2",
        ),
        "runs/upscale2x-perceptual/network.safetensors",
    ),
    Step("trains", ("perceptualloss", "train", "--resume", "runs/upscale2x-perceptual", "--steps", "8")),
    Step(
        "trains",
        (
            "perceptualloss",
            "upscale",
            "photo.jpg",
            "-o",
            "own.png",
            "--network",
            "runs/upscale2x-perceptual/network.safetensors",
        ),
        "own.png",
    ),
)


def main() -> int:
    """Run all; return 0 if everything is fine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where wheel and sdist go")
    parser.add_argument("--keep", type=Path, help="a folder for the empty environment, which then stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        wheel = build(options.out, Path(temporary) / "again")
        print(
            f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(zipfile.ZipFile(wheel).namelist())} files",
            flush=True,
        )
        rows = in_empty_environment(wheel, options.keep or Path(temporary))
    print(table(rows))
    fine = all(status == "0" for *_, status in rows)
    print("fine" if fine else "not fine")
    return 0 if fine else 1


def build(out: Path, again: Path) -> Path:
    """Build the sdist, from it the wheel, and the wheel from the tree; check them and return the wheel.

    Raises:
        SystemExit: where one is not as it should be.
    """
    for old in out.glob("perceptualloss-*"):
        old.unlink()
    started = time.perf_counter()
    making = [sys.executable, "-m", "build", "--no-isolation", str(ROOT)]
    _run([*making, "--outdir", str(out)])
    _run([*making, "--outdir", str(again), "--wheel"])
    (wheel,), (sdist,), (other,) = out.glob("*.whl"), out.glob("*.tar.gz"), again.glob("*.whl")
    if contents(wheel) != contents(other):
        different = {name for name, _ in set(contents(wheel).items()) ^ set(contents(other).items())}
        raise SystemExit(f"the wheel from the sdist differs from that of the tree: {', '.join(sorted(different)[:5])}")
    _run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)])
    check_files(wheel)
    size = wheel.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"the wheel has {size:,} bytes, more than {LARGEST:,}")
    print(
        f"built and checked in {time.perf_counter() - started:.0f} s; {sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB"
    )
    return wheel


def contents(wheel: Path) -> dict[str, str]:
    """Return a hash of every file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def check_files(wheel: Path) -> None:
    """Compare the files of a wheel with those of the package that git knows.

    Raises:
        SystemExit: for stray ones, or ones that lack.
    """
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    listed = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = {line.removeprefix("src/") for line in listed.splitlines()}
    for what, some in (("stray in the wheel", package - known), ("not in the wheel", known - package)):
        if some:
            raise SystemExit(f"{what}: {', '.join(sorted(some)[:10])}")
    for part in NEEDED:
        if not any(name.startswith(f"perceptualloss/{part}") for name in package):
            raise SystemExit(f"not in the wheel: {part}")
    for licence in ("LICENSE", "NOTICE"):
        if not any(name.endswith(f".dist-info/licenses/{licence}") for name in names):
            raise SystemExit(f"not in the wheel: {licence}")


def in_empty_environment(wheel: Path, folder: Path) -> list[tuple[str, str, str, str]]:
    """Install the wheel alone, run the commands, and return what each took."""
    environment, work = folder / "environment", folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    venv.create(environment, clear=True, with_pip=True)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    python, what = str(binaries / "python"), ["--constraint", str(ROOT / "constraints.txt"), str(wheel)]
    by_uv = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", python]
    rows = [timed("", "uv pip install perceptualloss-*.whl", [*by_uv, *what], work)]
    if rows[0][3] != "0":  # uv does not read pip's settings, which may name another index
        by_pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        rows = [timed("", "pip install perceptualloss-*.whl", [*by_pip, *what], work)]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    clean["PATH"] = f"{binaries}{os.pathsep}{clean['PATH']}"
    clean["PYTHONSAFEPATH"] = "1"
    (work / "loop.py").write_text(LOOP)
    _run([python, "-c", PREPARE], cwd=work, env=clean)
    for step in STEPS:
        row = timed(step.who, step.text, [str(binaries / step.words[0]), *step.words[1:]], work, clean)
        if row[3] == "0" and step.writes and not (work / step.writes).is_file():
            row = (*row[:3], f"0, but no {step.writes}")
        rows.append(row)
    return rows


def timed(
    who: str,
    text: str,
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str] | None = None,
) -> tuple[str, str, str, str]:
    """Run a command, and say what it said if it failed; return for whom it is, itself, its seconds and exit status."""
    started = time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    print(f"{seconds:6.1f} s  {text}", flush=True)
    if done.returncode:
        print(done.stdout[-3000:] + done.stderr[-3000:], flush=True)
    return who, f"`{text}`", f"{seconds:.1f}", str(done.returncode)


def table(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """Return the rows as Markdown."""
    lines = [("who", "command", "seconds", "exit status"), ("---", "---", "---:", "---:"), *rows]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _run(words: Sequence[str], cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run what must not fail, and say what it said if it does.

    Raises:
        SystemExit: if it fails.
    """
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
