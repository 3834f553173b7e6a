"""A finding of the doctor, and probes that end in one whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: what it belongs to, such as "Processor".
        text: what was found, in one line.
        state: "ok"; "note", worth knowing; "missing", something optional that is not there; or "broken".
        remedy: what to do about it, where there is something to do.
    """

    part: str
    text: str
    state: State = "ok"
    remedy: str = ""


Probe = Callable[[], Iterable[Finding]]


def guarded(part: str, probe: Probe) -> Iterator[Finding]:
    """Give what a probe finds; what goes wrong in it is a finding, too."""
    try:
        yield from probe()
    except Exception as error:  # a library that does not load raises anything
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        yield Finding(part, f"this cannot be looked at: {text}", "broken", "Install the packages anew (see above).")


def gibibytes(count: float) -> str:
    """Return bytes in words.

    >>> gibibytes(3 * 2**29), gibibytes(5 * 2**20)
    ('1.5 GiB', '5 MiB')
    """
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
