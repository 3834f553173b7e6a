"""Why a picture was not read, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import UnidentifiedImageError

from perceptualloss.errors import InputError

SUFFIXES = (
    ".apng", ".avif", ".bmp", ".dds", ".dib", ".gif", ".heic", ".heif", ".hif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe",
    ".jpeg", ".jpg", ".jxl", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".tga", ".tif", ".tiff",
    ".webp",
)  # fmt: skip


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Within it, whatever a decoder raises is an error of use that names the file.

    Raises:
        InputError: for any exception.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # decoders raise nearly anything for broken files
        raise _refusal(name, error) from error


def _refusal(name: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"a picture file {name}", "no such file")
    if isinstance(error, IsADirectoryError):
        return InputError(f"a picture file {name}", "a folder", "Name a file in it.")
    if isinstance(error, PermissionError):
        return InputError(f"{name} to be readable", "permission denied")
    if isinstance(error, UnidentifiedImageError):
        return InputError(f"{name} to be a picture", "a file of unknown kind", f"Known kinds: {', '.join(SUFFIXES)}.")
    return InputError(f"{name} to be a picture", f"one that does not decode ({type(error).__name__}: {error})")
