"""Looking at what was uploaded: refused by its pixels before it is decoded, and by whatever else is wrong with it."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

from perceptualloss.errors import InputError
from perceptualloss.page.notes import notes
from perceptualloss.page.refusals import PageError, explained, plain
from perceptualloss.page.settings import PageSettings
from perceptualloss.page.store import Upload
from perceptualloss.pictures.images import open_pictures
from perceptualloss.pictures.parts import Parts

_LONGEST = 120
_SIDE = 2048  # pixels of a part that is converted at once


def shown_name(name: str) -> str:
    r"""Return the name of a file without folders and what steers a terminal; it is shown, and names no file here.

    >>> shown_name("../../etc/passwd"), shown_name(r"C:\a\b.png"), shown_name("")
    ('passwd', 'b.png', 'picture')
    """
    last = PureWindowsPath(PurePosixPath(name).name).name
    return "".join(letter for letter in last if letter.isprintable())[:_LONGEST] or "picture"


def look_at(upload: Upload, settings: PageSettings) -> None:
    """Decode the first picture of an upload, and keep what is shown of it.

    Raises:
        PageError: what is no picture, does not decode, or is too large.
    """
    path = str(upload.source)
    try:
        with notes() as said:
            pictures = open_pictures(upload.source, settings.max_pixels)
            upload.frames = pictures.count
            stored = pictures.stored(0)
            upload.height, upload.width = stored.height, stored.width
            if upload.width * upload.height * upload.frames > settings.max_pixels:
                raise PageError("too_many_frames", 422, frames=upload.frames)
            parts = Parts(stored.height, stored.width, stored.grey, stored.cut, _SIDE)
            upload.keep(0, parts.rows(8, stored.clear, grey=True))
        upload.notes = [plain(note, path, upload.name) for note in said]
    except (InputError, MemoryError) as error:
        raise explained(error, path, upload.name) from error
