"""Python and packages: what is there, what belongs together, and what must not be there."""

from __future__ import annotations

import importlib
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import perceptualloss
from perceptualloss.doctor.findings import Finding

PACKAGE = "perceptualloss"
PART, EXTRAS = "Software", "Extras"
FOR_DEVELOPERS = ("dev", "docs", "release", "all")
MALICIOUS = {"lightning": ("2.6.2", "2.6.3")}  # uploads by somebody who had stolen the right to upload
IMPORTED = ("torch", "torchvision", "lightning", "PIL", "imagecodecs", "skimage")
_NEWEST = "pip install --upgrade --force-reinstall"


def python() -> Iterator[Finding]:
    """Say which Python and which version of this package there are, and where."""
    text = f"Python {platform.python_version()} ({sys.executable}) on {platform.platform()}"
    old = sys.version_info < (3, 11)
    yield Finding(PART, text, "broken" if old else "ok", "Install Python 3.11 or later." if old else "")
    yield Finding(PART, f"{PACKAGE} {metadata.version(PACKAGE)} in {Path(perceptualloss.__file__).parent}")


def packages() -> Iterator[Finding]:
    """Compare the packages that are needed with what is installed, and torch with torchvision."""
    fine = []
    for requirement in _requirements(None):
        name, found = requirement.name, _version(requirement.name)
        if found in MALICIOUS.get(name, ()):
            remedy = (
                f"pip uninstall {name}, then {_NEWEST} '{requirement}'; change the passwords and keys of this machine."
            )
            yield Finding(PART, f"{name} {found}, which was a malicious upload", "broken", remedy)
        elif found is None or not requirement.specifier.contains(found, prereleases=True):
            have = "not installed" if found is None else f"{found}, which is not {requirement.specifier}"
            yield Finding(PART, f"{name}: {have}", "broken", f"pip install '{requirement}'")
        else:
            fine.append(f"{name} {found}")
    if fine:
        yield Finding(PART, ", ".join(fine))
    yield from pair()


def pair() -> Iterator[Finding]:
    """Compare torchvision with the torch that it was built with."""
    from packaging.requirements import Requirement  # noqa: PLC0415

    torch, torchvision = _version("torch"), _version("torchvision")
    if torch is None or torchvision is None:
        return
    wanted = [Requirement(text) for text in metadata.requires("torchvision") or []]
    for requirement in wanted:
        if requirement.name == "torch" and not requirement.specifier.contains(torch, prereleases=True):
            text = f"torchvision {torchvision} was built with torch{requirement.specifier}, and torch is {torch}"
            yield Finding(PART, text, "broken", f"{_NEWEST} torch torchvision (together, so that they match)")


def imports() -> Iterator[Finding]:
    """Import the packages that most needs: installed is not yet working."""
    loaded = []
    for name in IMPORTED:
        try:
            importlib.import_module(name)
        except Exception as error:  # a library that lacks, or whatever a broken package raises
            text = " ".join(f"{name} does not load: {type(error).__name__}: {error}".split())[:300]
            yield Finding(PART, text, "broken", f"{_NEWEST} {PACKAGE}")
        else:
            loaded.append(name)
    if loaded:
        yield Finding(PART, f"these load: {', '.join(loaded)}")


def extras() -> Iterator[Finding]:
    """Say which extras are there and, of the others, which packages are missing."""
    names = [name for name in metadata.metadata(PACKAGE).get_all("Provides-Extra") or [] if name not in FOR_DEVELOPERS]
    there = []
    for name in names:
        lacking = [r.name for r in _requirements(name) if not r.specifier.contains(_version(r.name) or "0")]
        if lacking:
            remedy = f"pip install '{PACKAGE}[{name}]'"
            yield Finding(EXTRAS, f"{name} (needs {', '.join(lacking)})", "missing", remedy)
        else:
            there.append(name)
    if there:
        yield Finding(EXTRAS, ", ".join(there))


def optional_libraries() -> Iterator[Finding]:
    """Try what is installed of video and onnxruntime, which bring libraries of their own."""
    if _version("av") is not None:
        av = importlib.import_module("av")
        codecs = [name for name in ("libx264", "libx265") if name in av.codecs_available]
        with_which = f"with {', '.join(codecs)}" if codecs else "without x264, so that clips cannot be written"
        remedy = "" if codecs else f"{_NEWEST} av"
        yield Finding(EXTRAS, f"video: PyAV {av.__version__} {with_which}", "ok" if codecs else "broken", remedy)
    if _version("onnxruntime") is not None:
        onnxruntime = importlib.import_module("onnxruntime")
        providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
        yield Finding(EXTRAS, f"onnx: onnxruntime {onnxruntime.__version__} on {', '.join(providers)}")


def _requirements(extra: str | None) -> list:  # type: ignore[type-arg]
    """Return what this package needs, or what one of its extras adds."""
    from packaging.requirements import Requirement  # noqa: PLC0415

    all_of_them = [Requirement(text) for text in metadata.requires(PACKAGE) or []]
    if extra is None:
        return [r for r in all_of_them if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [r for r in all_of_them if r.marker is not None and re.search(rf"extra == .{extra}\b", str(r.marker))]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
