"""What the page allows, and where it listens."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from perceptualloss.errors import InputError
from perceptualloss.vocabulary import Precision

MEGA = 1_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class PageSettings:
    """Limits of the page; a visitor that exceeds one is told so in words.

    Attributes:
        host: the address to listen at.
        port: its port; 0 takes a free one.
        names: further names of this machine that browsers may use.
        max_pixels: of an upload, all frames or pages together, known before it is decoded.
        max_result: pixels of a result.
        max_bytes: of an upload, counted while it comes.
        max_stored: bytes that uploads and results take on the disk together.
        max_pictures: uploads that are kept at the same time.
        jobs: how many are computed at the same time.
        queue: how many may wait.
        keep: seconds after which what nobody looked at is deleted.
        device: where to compute.
        precision: in which number format.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    max_pixels: int = 24 * MEGA
    max_result: int = 200 * MEGA
    max_bytes: int = 64 * MEGA
    max_stored: int = 4_000 * MEGA
    max_pictures: int = 100
    jobs: int = 1
    queue: int = 20
    keep: float = 30 * 60
    device: str = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        """Refuse limits that would let nothing through."""
        least = {"port": 0, "queue": 0}
        for name in ("port", "max_pixels", "max_result", "max_bytes", "max_stored", "max_pictures", "jobs", "queue"):
            if getattr(self, name) < least.get(name, 1):
                raise InputError(f"{name} from {least.get(name, 1)}", str(getattr(self, name)))
        if self.port > 65_535:
            raise InputError("a port up to 65535", str(self.port))
        if not self.keep > 0:
            raise InputError("a time to keep pictures above 0", f"{self.keep:g}")

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can reach the page."""
        return self.host in LOOPBACK or (_is_address(self.host) and ipaddress.ip_address(self.host).is_loopback)

    def admits(self, host: str) -> bool:
        """Return whether a request's Host header names this page and not one whose name was bent to this address.

        A name that somebody else owns may lead here (DNS rebinding); an address of numbers cannot.

        >>> PageSettings().admits("127.0.0.1:8000"), PageSettings().admits("example.org")
        (True, False)
        >>> PageSettings(host="0.0.0.0").admits("10.0.0.1:8000"), PageSettings(host="0.0.0.0").admits("example.org")
        (True, False)
        """
        name = _without_port(host).lower()
        if name in (*LOOPBACK, self.host.lower(), *(known.lower() for known in self.names)):
            return True
        return not self.is_local and _is_address(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
