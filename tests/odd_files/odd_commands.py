"""Situations of the command line: folders, names, targets, what is kept of a file, and pairs."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from odd_case import Heard, Outcome
from odd_formats import SMOOTH, encoded
from odd_png import BOMB, DEEP, RGB, png
from PIL import Image, ImageSequence

from perceptualloss import cli
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.reading.png import SIGNATURE

SMALL = png(RGB, 8)
DEEP_SMALL = png(DEEP, 16)


def no_fault(_: Path) -> str:
    """Find nothing wrong."""
    return ""


@dataclass(frozen=True)
class Situation:
    """A command in a folder.

    Attributes:
        title: what is odd.
        words: of the command; NET is a network that doubles.
        files: names and contents of what is in the folder; None is a folder.
        code: with which the command must end; None is any.
        says: what must be printed, as patterns.
        fault: returns what is wrong in the folder afterwards, or "".
        before: does what files cannot say.
        given: what stands at the standard input.
    """

    title: str
    words: str
    files: dict[str, bytes | None] = field(default_factory=dict)
    code: int | None = 0
    says: Sequence[str] = ()
    fault: Callable[[Path], str] = no_fault
    before: Callable[[Path], object] = no_fault
    given: bytes = b""


def try_situation(situation: Situation, folder: Path) -> Outcome:
    """Run the command in a new folder and look at what it left."""
    network = folder / "net.safetensors"
    save_network(ResidualUpscaler(2, width=4, blocks=1), network)
    for name, content in situation.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
    situation.before(folder)
    words = [str(network) if word == "NET" else word for word in situation.words.split()]
    heard, logger = Heard(), logging.getLogger("perceptualloss")
    logger.addHandler(heard)  # where tests run, the command's own handler is not the first, and does nothing
    try:
        code, out, err = run(words, folder, situation.given)
    finally:
        logger.removeHandler(heard)
    printed = err + " " + ("a PNG file" if out.startswith(SIGNATURE) else out.decode(errors="replace"))
    said = " ".join(" ".join([printed, *(line for line in heard.lines if line not in printed)]).split())
    wrong = "a traceback" if "Traceback" in said else ""
    if not wrong and situation.code is not None and code != situation.code:
        wrong = f"it ended with {code}"
    missing = [pattern for pattern in situation.says if not re.search(pattern, said)]
    wrong = wrong or (f"nothing says {missing[0]!r}" if missing else _fault(situation, folder))
    expected = "any code" if situation.code is None else f"code {situation.code}"
    return Outcome(expected, f"code {code}", said.replace(str(folder), ""), wrong)


def _fault(situation: Situation, folder: Path) -> str:
    try:
        return situation.fault(folder)
    except OSError as error:
        return f"the result is not readable ({error})"


def run(words: list[str], folder: Path, given: bytes = b"") -> tuple[int, bytes, str]:
    """Return the exit code of a command, and what it wrote to its standard output and error."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(given))
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(words)
    finally:
        sys.stdin = before
    out.flush()
    return code, out.buffer.getvalue(), err.getvalue()  # type: ignore[attr-defined]


def sizes(**wanted: tuple[int, int]) -> Callable[[Path], str]:
    """Return what tells which of the named results is missing or of another size; names have __ for a dot."""

    def fault(folder: Path) -> str:
        for name, size in wanted.items():
            path = folder / "out" / name.replace("__", ".")
            if not path.is_file():
                return f"no {path.name}"
            with Image.open(path) as image:
                image.load()
                if image.size != size:
                    return f"{path.name} of {image.size}"
        return ""

    return fault


def unchanged(name: str, content: bytes) -> Callable[[Path], str]:
    """Return what tells whether a file is another than it was."""
    return lambda folder: "" if (folder / name).read_bytes() == content else f"{name} was changed"


def absent(name: str) -> Callable[[Path], str]:
    """Return what tells whether something is there that must not be."""
    return lambda folder: f"{name} is there" if (folder / name).exists() else ""


UP = "upscale --network NET --device cpu "
DONE = (16, 12)


def _folders() -> list[Situation]:
    mixed = {"in/a.png": SMALL, "in/b.png": SMALL[:60], "in/c.png": SMALL}
    heic = io.BytesIO()
    pillow_heif.from_bytes("RGB", (64, 48), SMOOTH.tobytes()).save(heic, quality=90)
    others = {f"in/{name}": b"words" for name in ("notes.txt", "list.txt", "raw.cr2")}

    def loop(folder: Path) -> None:
        (folder / "in" / "again").symlink_to(folder / "in")

    def lost(folder: Path) -> None:
        (folder / "in" / "gone.png").symlink_to(folder / "nowhere.png")

    def elsewhere(folder: Path) -> None:
        (folder / "in").mkdir()
        (folder / "in" / "album").symlink_to(folder / "true")

    def half(folder: Path) -> None:
        run(["upscale", "in", "-o", "out", "--network", "net.safetensors", "--device", "cpu"], folder)
        whole = (folder / "out" / "a.png").read_bytes()
        (folder / "out" / "a.png").write_bytes(whole[: len(whole) // 2])

    def larger(folder: Path) -> str:
        with Image.open(folder / "out" / "a.png") as image:
            return "" if image.size == DONE else "not done anew"

    return [
        Situation("folder with a broken picture", UP + "in -o out", mixed, 1, ["b.png", "1 .*fail|1 that"],
                  sizes(a__png=DONE, c__png=DONE)),
        Situation("folder with a bomb", UP + "in -o out", {"in/a.png": SMALL, "in/b.png": BOMB}, 1, ["b.png", "pixels"],
                  sizes(a__png=DONE)),
        Situation("folder with other files", UP + "in -o out", {"in/a.png": SMALL} | others, 0, ["2 .txt", "1 .cr2"],
                  sizes(a__png=DONE)),
        Situation("folder with a picture from a phone (HEIC)", UP + "in -o out", {"in/a.heic": heic.getvalue()}, 0,
                  [], sizes(a__png=(128, 96))),
        Situation("folder with a link to itself", UP + "in -o out", {"in/a.png": SMALL}, 0, [], sizes(a__png=DONE),
                  loop),
        Situation("folder with a link to nothing", UP + "in -o out", {"in/a.png": SMALL}, None, ["gone.png"],
                  sizes(a__png=DONE), lost),
        Situation("folder with a link to a folder", UP + "in -o out", {"true/a.png": SMALL}, 0, [],
                  lambda folder: "" if (folder / "out/album/a.png").is_file() else "not done", elsewhere),
        Situation("folder without pictures", UP + "in -o out", {"in/notes.txt": b"words"}, 1, ["in"]),
        Situation("folder that is not there",
            UP + "in -o out", {}, 1, ["no such file"]),
        Situation("name of 250 bytes in a folder", UP + "in -o out", {"in/" + "n" * 246 + ".png": SMALL}, 0, [],
                  lambda folder: "" if len(list((folder / "out").iterdir())) == 1 else "not done"),
        Situation("two pictures of one name", UP + "in -o out", {"in/a.bmp": encoded(RGB, "BMP"), "in/a.png": SMALL},
                  0, [], lambda folder: "" if len(list((folder / "out").iterdir())) == 2 else "one was lost"),
        Situation("target that is there", UP + "in -o out", {"in/a.png": SMALL, "out/a.png": b"mine"}, None,
                  ["overwrite"], unchanged("out/a.png", b"mine")),
        Situation("one picture whose target is there", UP + "a.png -o b.png", {"a.png": SMALL, "b.png": b"mine"}, None,
                  ["overwrite"], unchanged("b.png", b"mine")),
        Situation("target that is there, --overwrite", UP + "in -o out --overwrite",
                  {"in/a.png": SMALL, "out/a.png": b"mine"}, 0, [], sizes(a__png=DONE)),
        Situation("run again with --skip-existing after a cut", UP + "in -o out --skip-existing",
                  {"in/a.png": SMALL, "in/c.png": SMALL}, 0, ["1 .*skipped|skipped 1"], larger, half),
        Situation("--overwrite and --skip-existing", UP + "in -o out --overwrite --skip-existing",
                  {"in/a.png": SMALL}, 2, ["skip"]),
        Situation("target that is the source", UP + "in -o in", {"in/a.png": SMALL}, 1, ["another place"],
                  unchanged("in/a.png", SMALL)),
        Situation("--quiet", UP + "in -o out --quiet", {"in/a.png": SMALL}, 0, ["^ *$"], sizes(a__png=DONE)),
        Situation("--max-pixels", UP + "in -o out --max-pixels 40", {"in/a.png": SMALL}, 1, ["max-pixels"]),
    ]  # fmt: skip


def _names() -> list[Situation]:
    wide = encoded(Image.new("RGB", (9000, 2)), "PNG")
    wider = encoded(Image.new("RGB", (33000, 2)), "PNG")
    clear = png(np.dstack([RGB, RGB[..., :1]]), 8)
    return [
        Situation("target that cannot be written (.heic)", UP + "a.png -o res.heic", {"a.png": SMALL}, 1,
                  ["heic", ".png"], absent("res.heic")),
        Situation("target of an unknown kind (.svg)", UP + "a.png -o res.svg", {"a.png": SMALL}, None, ["svg"]),
        Situation("WebP of more than 16,383 pixels", UP + "a.png -o b.webp", {"a.png": wide}, 1, ["16,?383"],
                  absent("b.webp")),
        Situation("JPEG of more than 65,500 pixels", UP + "a.png -o b.jpg", {"a.png": wider}, 1, ["65,?5"],
                  absent("b.jpg")),
        Situation("transparency into a JPEG", UP + "a.png -o b.jpg", {"a.png": clear}, 1, ["transparency"],
                  absent("b.jpg")),
        Situation("--scale 1", "upscale a.png --scale 1 -o b.png", {"a.png": SMALL}, 1, ["^.{0,200}$"],
                  absent("b.png")),
        Situation("an option that is misspelt", UP + "a.png --overwrit -o b.png", {"a.png": SMALL}, 2, ["overwrit"]),
        Situation("- for input and output", UP + "- -o -", {}, 0, ["a PNG file"], given=SMALL),
        Situation("a broken picture at the input", UP + "- -o b.png", {}, 1, ["."], absent("b.png"), given=SMALL[:40]),
    ]  # fmt: skip


def _kept() -> list[Situation]:
    """What must be there afterwards."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0132] = 6, "Camera & Co", "2026:11:26 20:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    photo = encoded(SMOOTH, "JPEG", exif=exif, dpi=(300, 300), quality=95)
    frames = [Image.fromarray(np.roll(RGB, step, 0).astype(np.uint8)) for step in range(3)]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 120, "loop": 2}
    pages = io.BytesIO()
    tifffile.imwrite(pages, np.stack([DEEP, DEEP[::-1]]).astype(np.uint16), photometric="rgb")

    def told(name: str, there: bool = True) -> Callable[[Path], str]:
        def fault(folder: Path) -> str:
            with Image.open(folder / name) as image:
                found, dpi = image.getexif(), image.info.get("dpi", (0, 0))
                turned = image.size == (96, 128)
                place = found.get_ifd(0x8825).get(1)
            if found.get(0x0112, 1) != 1 or not turned:
                return f"orientation {found.get(0x0112)}, {turned}"
            kept = (found.get(0x010F), found.get(0x0132), place) == ("Camera & Co", "2026:11:26 20:00:00", "N")
            known = abs(float(dpi[0]) - 300) < 1
            return "" if (kept and known if there else not kept and not known) else f"{dict(found)}, {dpi}"

        return fault

    def count(name: str, number: int) -> Callable[[Path], str]:
        def fault(folder: Path) -> str:
            with Image.open(folder / name) as image:
                found = [frame.convert("RGB").size for frame in ImageSequence.Iterator(image)]
            return "" if found == [DONE] * number else f"frames {found}"

        return fault

    def depth(name: str) -> Callable[[Path], str]:
        def fault(folder: Path) -> str:
            data = (folder / name).read_bytes()
            samples = imagecodecs.imread(data)
            return "" if samples.dtype == np.uint16 and samples.shape == (12, 16, 3) else f"{samples.dtype}"

        return fault

    found = [
        Situation(f"EXIF of a turned photo, into {ending}", UP + f"a.jpg -o b.{ending}", {"a.jpg": photo}, 0, [],
                  told(f"b.{ending}"))
        for ending in ("jpg", "png", "tif")
    ]  # fmt: skip
    return [
        *found,
        Situation("EXIF, --strip", UP + "a.jpg -o b.jpg --strip", {"a.jpg": photo}, 0, [], told("b.jpg", False)),
        Situation("PNG of 16 bits into PNG", UP + "a.png -o b.png", {"a.png": DEEP_SMALL}, 0, [], depth("b.png")),
        Situation("PNG of 16 bits into TIFF", UP + "a.png -o b.tif", {"a.png": DEEP_SMALL}, 0, [], depth("b.tif")),
        Situation("PNG of 16 bits into JPEG XL", UP + "a.png -o b.jxl", {"a.png": DEEP_SMALL}, 0, [], depth("b.jxl")),
        Situation("PNG of 16 bits into JPEG", UP + "a.png -o b.jpg", {"a.png": DEEP_SMALL}, 0, ["8 bits"]),
        Situation("picture into AVIF", UP + "a.png -o out/b.avif", {"a.png": SMALL, "out": None}, 0, [],
                  sizes(b__avif=DONE)),
        Situation("animated GIF in a folder", UP + "in -o out", {"in/a.gif": encoded(frames[0], "GIF", **moving)}, 0,
                  [], lambda folder: count(f"out/{next((folder / 'out').iterdir()).name}", 3)(folder)),
        Situation("animated PNG into WebP", UP + "a.png -o b.webp", {"a.png": encoded(frames[0], "PNG", **moving)}, 0,
                  [], count("b.webp", 3)),
        Situation("animated WebP into PNG", UP + "a.webp -o b.png",
                  {"a.webp": encoded(frames[0], "WEBP", lossless=True, **moving)}, 0, [], count("b.png", 3)),
        Situation("animated GIF into JPEG", UP + "a.gif -o b.jpg", {"a.gif": encoded(frames[0], "GIF", **moving)},
                  None, ["3|frames"]),
        Situation("TIFF of two pages into TIFF", UP + "a.tif -o b.tif", {"a.tif": pages.getvalue()}, 0, [],
                  lambda folder: "" if len(tifffile.TiffFile(folder / "b.tif").pages) == 2 else "one page"),
        Situation("TIFF of two pages into PNG", UP + "a.tif -o b.png", {"a.tif": pages.getvalue()}, None,
                  ["2|page|first"]),
    ]  # fmt: skip


def _pairs() -> list[Situation]:
    near = png(np.clip(RGB + np.where(np.arange(8)[:, None] % 2, 6, -6), 0, 255), 8)
    other = png(RGB[::-1], 8)
    jpeg = encoded(RGB, "JPEG", quality=95)
    start, end = "evaluate ", " --metrics psnr"
    return [
        Situation("pair: the exact name wins", start + "out --targets true" + end,
                  {"out/a.png": SMALL, "true/a.png": SMALL, "true/a.jpg": encoded(RGB[::-1], "JPEG")}, None,
                  ["inf|∞"]),
        Situation("pair: two outputs for one target", start + "out --targets true" + end,
                  {"out/a.webp": encoded(RGB, "WEBP"), "out/a.jpg": jpeg, "true/a.png": SMALL}, 1, ["a.webp", "a.jpg"]),
        Situation("pair: two targets for one output", start + "out --targets true" + end,
                  {"out/a.png": SMALL, "true/a.jpg": jpeg, "true/a.webp": encoded(RGB, "WEBP")}, 1,
                  ["a.jpg", "a.webp"]),
        Situation("pair: a number at the end is no suffix", start + "out --targets true" + end,
                  {"out/img_2.png": other, "true/img.png": SMALL}, 1, ["img_2.png"]),
        Situation("pair: known suffixes", start + "out --targets true" + end,
                  {"out/img_x4_SR.png": SMALL, "true/img_HR.png": SMALL}, 0, ["inf|∞"]),
        Situation("verdict: equal pictures against near ones", start + "same near --targets true" + end,
                  {f"{folder}/{name}.png": near if folder == "near" else SMALL
                   for folder in ("same", "near", "true") for name in "abcdefgh"}, 0, ["same is better|better"]),
        Situation("verdict: a picture that does not open", start + "out --targets true" + end,
                  {"out/a.png": SMALL, "out/b.png": SMALL[:60], "true/a.png": SMALL, "true/b.png": SMALL}, 1,
                  ["b.png"]),
        Situation("evaluate: sizes that differ", start + "out --targets true" + end,
                  {"out/a.png": png(RGB[:4], 8), "true/a.png": SMALL}, 1, ["a"]),
    ]  # fmt: skip


FOLDERS, NAMES, KEPT, PAIRS = _folders(), _names(), _kept(), _pairs()
