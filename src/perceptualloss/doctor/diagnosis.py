"""All probes, one after the other, and what is to be done."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from perceptualloss.doctor import machine, places, software
from perceptualloss.doctor.findings import Finding, Probe, guarded

PROBES: tuple[tuple[str, Probe], ...] = (
    (software.PART, software.python),
    (software.PART, software.packages),
    (software.PART, software.imports),
    (software.EXTRAS, software.extras),
    (software.EXTRAS, software.optional_libraries),
    (machine.PROCESSOR, machine.processor),
    (machine.DEVICES, machine.devices),
    (machine.MEMORY, machine.memory),
    (places.WEIGHTS, places.shipped_weights),
    (places.WEIGHTS, places.imagenet_weights),
    (places.CACHES, places.caches),
    (machine.TERMINAL, machine.terminal),
)
_WIDTH = 112
_MARKS = {"ok": "ok", "note": "note", "missing": "-", "broken": "BROKEN"}


def examine(probes: Iterable[tuple[str, Probe]] = PROBES) -> Iterator[Finding]:
    """Give the findings of all probes, each as soon as it is there."""
    for part, probe in probes:
        yield from guarded(part, probe)


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing is broken."""
    return not any(finding.state == "broken" for finding in findings)


def lines(finding: Finding, before: str | None) -> str:
    """Return a finding as text, with a heading where a part begins after the part ``before``."""
    heading = "" if finding.part == before else ("" if before is None else "\n") + finding.part + "\n"
    return heading + folded(finding.text, f"  {_MARKS[finding.state]:<7} ")


def folded(text: str, mark: str, under: str | None = None) -> str:
    """Return a text behind a mark, in lines that a terminal has room for; ``under`` stands before all but the first."""
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark) if under is None else under,
        break_long_words=False,
        break_on_hyphens=False,
    )


def advice(findings: Sequence[Finding]) -> list[str]:
    """Return what the user should do, the most urgent first."""
    broken = [f"{f.text}: {f.remedy}" if f.remedy else f.text for f in findings if f.state == "broken"]
    notes = [f.remedy for f in findings if f.state == "note" and f.remedy]
    missing = [f.text.split()[0] for f in findings if f.state == "missing"]
    wanted = []
    if missing:
        one = f"If you need one: pip install 'perceptualloss[{missing[0]}]'"
        every = "what pictures need: pip install 'perceptualloss[all]'."
        wanted.append(f"You do not have the extras {', '.join(missing)}. {one}; {every}")
    if not broken:
        wanted.append("Nothing is broken. Begin with: perceptualloss upscale photo.jpg, or perceptualloss compare")
    return list(dict.fromkeys([*broken, *notes, *wanted]))


def as_data(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return all as plain data, for JSON."""
    return {"healthy": is_healthy(findings), "findings": [asdict(f) for f in findings], "advice": advice(findings)}
