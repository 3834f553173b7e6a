"""What is written is what other readers find: samples, depth, opacity, colours; what cannot be is refused before."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from perceptualloss.errors import InputError
from perceptualloss.pictures.change import Writing, change_file
from perceptualloss.pictures.encode import srgb_profile
from perceptualloss.pictures.images import open_picture, write_image
from perceptualloss.pictures.kinds import KINDS, WRITE_SUFFIXES, Kind, check_target, is_file_name, kept_suffix, kind_of
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.reading.jpeg_xl_header import codestream, read_head

EXACT = ("a.png", "a.tif", "a.jxl")


def planes(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> dict[str, object]:
    """Return samples (H, W, channels) as arguments of write_image."""
    bits = 8 * samples.dtype.itemsize
    values = torch.from_numpy(samples.astype(np.float64) / (2**bits - 1)).permute(2, 0, 1)
    channels = samples.shape[2]
    colours = values[: channels - 1 if channels in (2, 4) else channels]
    alpha = values[-1:] if channels in (2, 4) else None
    return {"image": colours.expand(3, -1, -1), "bits": bits, "alpha": alpha, "grey": channels < 3}


def decoded(path: Path) -> NDArray[np.generic]:
    """Return the samples of a file by another reader than ours, (H, W, channels)."""
    data = path.read_bytes()
    reader = {".png": imagecodecs.png_decode, ".jxl": imagecodecs.jpegxl_decode}.get(path.suffix)
    samples = tifffile.imread(path) if reader is None else reader(data)
    return samples[..., None] if samples.ndim == 2 else samples


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(EXACT),
    channels=st.integers(1, 4),
    deep=st.booleans(),
    height=st.integers(1, 40),
    width=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_samples_are_exact_where_the_kind_says_so(
    name: str, channels: int, deep: bool, height: int, width: int, seed: int, tmp_path: Path
) -> None:
    kind = np.uint16 if deep else np.uint8
    samples = np.random.default_rng(seed).integers(0, np.iinfo(kind).max + 1, (height, width, channels)).astype(kind)
    write_image(path=tmp_path / name, **planes(samples))  # type: ignore[arg-type]
    if name == "a.jxl" and not deep:  # nearly lossless on pictures, which noise is none
        assert decoded(tmp_path / name).shape == samples.shape
        return
    found = decoded(tmp_path / name)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, samples)
    if name == "a.jxl":  # libjxl would call them linear
        assert read_head(codestream((tmp_path / name).read_bytes())).transfer == 13
    ours = open_picture(tmp_path / name)
    assert (ours.bits, ours.grey, ours.alpha is not None) == (16 if deep else 8, channels < 3, channels in (2, 4))
    np.testing.assert_allclose(
        ours.channels()[0].permute(1, 2, 0).numpy(), samples / np.float64(np.iinfo(kind).max), atol=2e-5
    )


@pytest.mark.parametrize("suffix", WRITE_SUFFIXES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_ending_gives_what_a_viewer_shows(suffix: str, channels: int, tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :60]
    samples = np.stack([4 * x, 6 * y, 255 - 4 * x, 255 * (x > 20)], axis=-1).astype(np.uint8)[..., :channels]
    path = tmp_path / f"a{suffix.upper()}"
    if channels == 4 and "transparency" not in kind_of(path).holds:
        with pytest.raises(InputError, match="keeps transparency"):
            write_image(path=path, **planes(samples))  # type: ignore[arg-type]
        assert not list(tmp_path.iterdir())
        return
    write_image(path=path, **planes(samples))  # type: ignore[arg-type]
    if suffix == ".jxl":
        found = Image.fromarray(imagecodecs.jpegxl_decode(path.read_bytes()))
    else:
        with Image.open(path) as opened:
            opened.load()
            found = opened.copy()
    seen = np.asarray(found.convert("RGBA")).astype(int)
    expected = np.asarray(Image.fromarray(samples[..., 0] if channels == 1 else samples).convert("RGBA")).astype(int)
    shown = expected[..., 3:] > 0
    assert np.abs(seen - expected)[..., :3].mean(where=shown) < (6 if suffix == ".gif" else 2)
    assert np.abs(seen - expected)[..., 3].mean() < 1
    if channels == 1 and suffix not in (".avif", ".webp"):  # which have colours alone
        assert found.mode in ("L", "P")


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("upright", [False, True])
def test_too_many_pixels_are_refused_before_the_work(kind: Kind, upright: bool, tmp_path: Path) -> None:
    if kind.side > 100_000:
        with pytest.raises(InputError, match="pixels a side"):
            check_target(f"a{kind.suffixes[0]}", kind.side + 1, 1)
        return
    size = (kind.side + 1) // 2 + 1
    Image.new("L", (1, size) if upright else (size, 1)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=rf"at most {kind.side:,} pixels a side in a {kind} file.*\.png") as caught:
        change_file(never, tmp_path / "a.png", tmp_path / f"b{kind.suffixes[0]}", lambda h, w: (2 * h, 2 * w))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.side < 100_000], ids=str)
def test_the_most_pixels_of_a_side_are_written_and_read(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / f"a{kind.suffixes[0]}"
    write_image(torch.full((3, 1, kind.side), 0.5), path)
    with Image.open(path) as image:
        image.load()
        assert image.size == (kind.side, 1)


def never(picture: Picture, *_: int) -> Picture:
    raise AssertionError("the work has begun")


@pytest.mark.parametrize("name", ["res.heic", "res.bmp", "res.svg", "res", "res.mp4", "res.pngg"])
def test_an_ending_that_is_not_written_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"\.avif, .*\.jxl, .*\.png, \.tif, \.tiff, \.webp, got") as caught:
        change_file(never, tmp_path / "a.png", tmp_path / name, lambda h, w: (h, w))
    assert name in str(caught.value)


def test_names_of_targets() -> None:
    names = {
        "a.heic": True,
        "a.PNG": True,
        "a.jp2": True,
        "out": False,
        "v1.2": False,
        "run.v12": False,
        ".cache": False,
    }
    assert {name: is_file_name(Path(name)) for name in names} == names
    kept = {"a.JPG": ".JPG", "a.gif": ".png", "a.bmp": ".png", "a.tiff": ".tiff", "a.heic": ".png", "a.webp": ".webp"}
    assert {name: kept_suffix(Path(name)) for name in kept} == kept


@pytest.mark.parametrize("letter", ["n", "ü", "🙂"])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_names_of_250_bytes_are_written_and_longer_ones_than_a_disk_has_refused(
    letter: str, suffix: str, tmp_path: Path
) -> None:
    def name(most: int) -> str:
        return letter * ((most - len(suffix)) // len(letter.encode())) + suffix

    for length in (250, 255):
        write_image(torch.rand(3, 4, 4), tmp_path / name(length))
        with Image.open(tmp_path / name(length)) as image:
            assert image.size == (4, 4)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match="at most 255 bytes"):
        write_image(torch.rand(3, 4, 4), tmp_path / name(260))


def test_16_bits_into_8_are_said_and_stay_where_they_can(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (6, 7, 3), dtype=np.uint16)
    write_image(path=tmp_path / "a.png", **planes(samples))  # type: ignore[arg-type]
    for name in ("b.png", "b.tif", "b.jxl"):
        change_file(lambda picture, *_: picture, tmp_path / "a.png", tmp_path / name, lambda h, w: (h, w))
        np.testing.assert_array_equal(decoded(tmp_path / name), samples)
    assert not caplog.text
    for name in ("b.jpg", "b.webp", "b.avif"):
        caplog.clear()
        change_file(lambda picture, *_: picture, tmp_path / "a.png", tmp_path / name, lambda h, w: (h, w))
        assert caplog.messages == [f"{name}: 16 bits become 8 bits; .jxl, .png or .tif keep them"]


def test_transparency_into_jpeg_and_a_target_that_is_there_are_refused_before_the_work(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (9, 9, 9, 99)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"keeps transparency, \.avif, \.gif, \.jxl, \.png, \.tif or \.webp"):
        change_file(never, tmp_path / "a.png", tmp_path / "b.jpg", lambda h, w: (h, w))
    (tmp_path / "b.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="a new file") as caught:
        change_file(never, tmp_path / "a.png", tmp_path / "b.png", lambda h, w: (h, w), Writing(overwrite=False))
    assert isinstance(caught.value.__cause__, FileExistsError)
    assert (tmp_path / "b.png").read_bytes() == b"mine"


@pytest.mark.parametrize("grey", [False, True])
def test_the_profile_that_is_embedded_is_srgb_and_always_the_same(grey: bool) -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile(grey)))
    ramp = np.arange(256, dtype=np.uint8)[None]
    shown = Image.fromarray(ramp if grey else np.repeat(ramp[..., None], 3, axis=2))
    converted = ImageCms.profileToProfile(shown, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None
    np.testing.assert_allclose(np.asarray(converted)[..., 1], ramp, atol=1)
    assert srgb_profile(grey)[24:36] == bytes((7, 208, 0, 1, 0, 1)) + bytes(6)  # a date, always that of 2000


def test_a_large_tiff_is_compressed_and_its_parts_are_found(tmp_path: Path) -> None:
    write_image(torch.linspace(0, 1, 900).expand(3, 700, -1), tmp_path / "a.tif", bits=16)
    assert (tmp_path / "a.tif").stat().st_size < 700 * 900
    with Image.open(tmp_path / "a.tif") as image, tifffile.TiffFile(tmp_path / "a.tif") as opened:
        assert image.size == (900, 700)
        assert opened.pages[0].compression == 8


@pytest.mark.parametrize(("name", "fits"), [("a.webp", False), ("a.jxl", False), ("a.png", True), ("a.jpg", True)])
def test_a_result_that_does_not_fit_into_memory_is_refused_before_the_work(
    name: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perceptualloss.pictures.change.free_main_memory", lambda: 2000)
    write_image(torch.rand(3, 8, 9), tmp_path / "small.png")

    def same(picture: Picture, number: int, count: int) -> Picture:
        assert fits
        return picture

    if fits:
        change_file(same, tmp_path / "small.png", tmp_path / name, lambda height, width: (height, width))
        return
    with pytest.raises(InputError, match="is written while it is made"):
        change_file(same, tmp_path / "small.png", tmp_path / name, lambda height, width: (height, width))
    assert not (tmp_path / name).exists()
