"""Colours of clips in and out, against formulas written out here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from perceptualloss.errors import InputError
from perceptualloss.pictures.video import transform_video
from perceptualloss.pictures.video.colour import to_709
from perceptualloss.pictures.video.frames import as_picture
from perceptualloss.pictures.video.tone import hlg_light, pq_code, pq_light, to_white

SHARES = {1: "709", 5: "601", 6: "601", 9: "2020"}


def through(source: Path, clips: Any, suffix: str = ".mp4") -> Any:
    """Return what a clip is after a function that changes nothing."""
    target = source.with_name(f"out{suffix}")
    transform_video(source, target, lambda frame: frame)
    return clips.see(target)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(("matrix", "full"), [(1, False), (1, True), (5, False), (6, False), (6, True), (9, False)])
def test_matrix_and_range_are_the_clips_own(
    clips: Any, heard: list[str], tmp_path: Path, pixels: str, matrix: int, full: bool
) -> None:
    frames = [clips.picture(pixels, matrix=SHARES[matrix], full=full) for _ in range(5)]
    codec = "ffv1" if "10" in pixels else "libx264"
    source = clips.write(tmp_path / "in.mkv", frames, codec, tags=(matrix, 1, 1, 2 if full else 1))
    seen = through(source, clips)
    assert np.abs(seen.bars - clips.held(SHARES[matrix], full, 10 if "10" in pixels else 8)).max() <= 2
    assert seen.colours == (1, 1, 1, 1)
    assert seen.bars.shape == (5, 3, 3)
    assert heard == (["in.mkv: its 10 bits a colour become 8"] if "10" in pixels else [])


def test_full_range_by_the_pixels_name(clips: Any, tmp_path: Path) -> None:
    frames = [clips.picture("yuvj420p", matrix="601", full=True) for _ in range(3)]
    seen = through(clips.write(tmp_path / "in.avi", frames, "mjpeg", options={"qmin": "1", "qmax": "1"}), clips)
    assert np.abs(seen.bars - clips.BARS).max() <= 3  # JPEG's own loss is 1 of it


@pytest.mark.parametrize(("size", "matrix"), [((64, 48), "601"), ((64, 720), "709"), ((1280, 32), "709")])
def test_without_tags_the_size_tells(
    clips: Any, heard: list[str], tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    frames = [clips.picture(size=size, matrix=matrix) for _ in range(3)]
    seen = through(clips.write(tmp_path / "in.mp4", frames), clips)
    assert np.abs(seen.bars - clips.BARS).max() <= 2
    assert [line for line in heard if f"taken as BT.{matrix}" in line] == heard  # once a clip
    assert len(heard) == 1


def test_rgb_and_grey(clips: Any, tmp_path: Path) -> None:
    bars = clips.BARS.round().astype(np.uint8)
    samples = np.repeat(bars, [22, 21, 21], axis=0)[None].repeat(48, 0)
    for pixels, codec in (("gbrp10le", "ffv1"), ("bgr0", "ffv1"), ("rgb24", "png")):
        frames = [av.VideoFrame.from_ndarray(samples, format="rgb24").reformat(format=pixels) for _ in range(3)]
        seen = through(
            clips.write(tmp_path / f"{pixels}.mov" if codec == "png" else tmp_path / f"{pixels}.mkv", frames, codec),
            clips,
        )
        assert np.abs(seen.bars - clips.BARS).max() <= 2
    grey = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8), (48, 64))
    frames = [av.VideoFrame.from_ndarray(np.ascontiguousarray(grey), format="gray") for _ in range(3)]
    seen = through(clips.write(tmp_path / "grey.mkv", frames, "ffv1"), clips)
    assert np.abs(seen.bars[0] - grey[0, [10, 32, 53], None]).max() <= 4  # the slope within two by two pixels


def xyz(primaries: Any, white: tuple[float, float] = (0.3127, 0.3290)) -> Any:
    """Return the matrix from linear RGB to XYZ of chromaticities (SMPTE RP 177)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, [white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])


P709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
OTHERS = {
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}


@pytest.mark.parametrize("primaries", OTHERS)
def test_primaries_are_converted(clips: Any, heard: list[str], tmp_path: Path, primaries: int) -> None:
    matrix = {5: 5, 6: 6, 9: 9, 12: 1}[primaries]
    frames = [clips.picture("yuv444p10le", matrix=SHARES[matrix]) for _ in range(3)]
    seen = through(clips.write(tmp_path / "in.mkv", frames, "ffv1", tags=(matrix, primaries, 1, 1)), clips)
    light = (clips.BARS / 255) ** 2.4 @ np.linalg.solve(xyz(P709), xyz(OTHERS[primaries])).T
    assert np.abs(seen.bars - 255 * light.clip(0, 1) ** (1 / 2.4)).max() <= 2
    assert ("clipped" in " ".join(heard)) == (primaries in (9, 12))


def test_the_matrix_of_bt_2020_is_that_of_bt_2087() -> None:
    wanted = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    np.testing.assert_allclose(to_709(9), wanted, atol=1e-4)


def test_white_stays_white_for_another_white() -> None:
    for primaries in (4, 8, 11):
        np.testing.assert_allclose(to_709(primaries).sum(axis=1), 1, atol=1e-6)


def test_other_curves_keep_their_tag(clips: Any, tmp_path: Path) -> None:
    frames = [clips.picture() for _ in range(3)]
    seen = through(clips.write(tmp_path / "in.mp4", frames, tags=(1, 1, 13, 1)), clips)  # sRGB
    assert seen.colours == (1, 1, 13, 1)
    assert np.abs(seen.bars - clips.BARS).max() <= 2


def pq(code: float) -> float:
    """SMPTE ST 2084's light in cd/m², number by number."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = code ** (1 / m2)
    return 10000 * (max(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def pq_inverse(light: float) -> float:
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (light / 10000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def bt2390(light: float, peak: float, white: float = 203.0) -> float:
    """The EETF of ITU-R BT.2390 without a black level, number by number."""
    e, most = pq_inverse(light) / pq_inverse(peak), pq_inverse(white) / pq_inverse(peak)
    knee = 1.5 * most - 0.5
    if e >= knee:
        t = (e - knee) / (1 - knee)
        e = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return pq(e * pq_inverse(peak))


def test_pq_and_hlg_by_their_standards() -> None:
    # BT.2100 and BT.2408: PQ 0.58 is 203 cd/m², 0.75 is 1000; HLG 0.75 is 203 on a display of 1000
    assert pq_light(torch.tensor([0.0, 0.5807, 0.7518, 1.0])).tolist() == pytest.approx([0, 203, 1000, 10000], rel=2e-3)
    assert hlg_light(torch.full((3, 1, 1), 0.75), 1000)[0].item() == pytest.approx(203, rel=5e-3)
    assert hlg_light(torch.ones(3, 1, 1), 1000)[0].item() == pytest.approx(1000, rel=1e-3)
    for code in (0.1, 0.4, 0.7):
        assert pq_light(torch.tensor(code)).item() == pytest.approx(pq(code), rel=1e-3)
        assert pq_code(torch.tensor(pq(code))).item() == pytest.approx(code, rel=1e-4)


@pytest.mark.parametrize("peak", [150.0, 600.0, 1000.0, 4000.0])
def test_tones_by_bt_2390(peak: float) -> None:
    for light in (0.5, 20.0, 90.0, 203.0, 0.5 * peak, peak):
        shown = to_white(torch.full((3, 1, 1), light), peak)[0].item()
        wanted = light / 203 if peak <= 203 else bt2390(min(light, peak), peak) / 203
        assert shown == pytest.approx(wanted, rel=3e-3)
    values = torch.linspace(0.01, peak, 500).expand(3, 1, 500)
    assert (to_white(values, peak)[0].diff() > -1e-6).all()


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_tone_mapped_and_said(clips: Any, heard: list[str], tmp_path: Path, transfer: int) -> None:
    coded = np.array([[120.0, 110.0, 100.0], [100.0, 140.0, 120.0], [150.0, 150.0, 150.0]])
    frames = [clips.picture("yuv444p10le", matrix="2020", rgb=coded) for _ in range(3)]
    seen = through(clips.write(tmp_path / "in.mkv", frames, "ffv1", tags=(9, 9, transfer, 1)), clips)
    light = np.vectorize(pq)(coded / 255)
    if transfer == 18:
        a, b = 0.17883277, 0.28466892
        c = 0.5 - a * np.log(4 * a)
        code = coded / 255
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
        light = 1000 * (scene @ [0.2627, 0.6780, 0.0593])[:, None] ** 0.2 * scene
    brightest = light.max(axis=1, keepdims=True)
    white = light * np.vectorize(bt2390)(brightest, 1000) / brightest / 203
    linear = white @ np.linalg.solve(xyz(P709), xyz(OTHERS[9])).T
    wanted = 255 * linear.clip(0, 1) ** (1 / 2.4)
    assert np.abs(seen.bars - wanted).max() <= 2
    assert seen.colours == (1, 1, 1, 1)
    assert len(heard) == 2
    assert "10 bits" in heard[1]
    assert f"HDR ({'PQ' if transfer == 16 else 'HLG'}, up to 1000 cd/m²) is tone-mapped" in heard[0]


def test_transparent_parts_are_over_black_and_said(clips: Any, heard: list[str], tmp_path: Path) -> None:
    samples = np.zeros((48, 64, 4), np.uint8)
    samples[..., :3], samples[:, 32:, 3] = (200, 100, 50), 255
    samples[:, 28:36, 3] = 128
    frames = [av.VideoFrame.from_ndarray(samples, format="rgba") for _ in range(3)]
    seen = through(clips.write(tmp_path / "in.mov", frames, "png"), clips)
    assert np.abs(seen.bars[0] - [[0, 0, 0], [100, 50, 25], [200, 100, 50]]).max() <= 2
    assert any("over black" in line for line in heard)
    deep = frames[0].reformat(format="yuva444p10le", dst_colorspace="ITU709", dst_color_range="MPEG")
    deep.colorspace = 1
    picture = 255 * as_picture(deep)[0, :, 24, [10, 50]].T
    assert np.abs(picture.numpy() - [[0, 0, 0], [200, 100, 50]]).max() <= 1.5


def test_opacity_beside_vp9_is_said(clips: Any, heard: list[str], tmp_path: Path) -> None:
    samples = np.full((48, 64, 4), 128, np.uint8)
    frames = [av.VideoFrame.from_ndarray(samples, format="rgba").reformat(format="yuva420p") for _ in range(3)]
    seen = through(clips.write(tmp_path / "in.webm", frames, "libvpx-vp9"), clips)
    assert len(seen.times) == 3
    assert any("opacity" in line for line in heard)


@pytest.mark.parametrize(("tags", "message"), [((8, 1, 1, 1), "matrix 8"), ((1, 1, 17, 1), "transfer 17")])
def test_unknown_colours_are_refused(clips: Any, tmp_path: Path, tags: tuple[int, ...], message: str) -> None:
    source = clips.write(tmp_path / "in.mp4", [clips.picture() for _ in range(3)], tags=tags)
    with pytest.raises(InputError, match=message):
        transform_video(source, tmp_path / "out.mp4", lambda frame: frame)
    assert not (tmp_path / "out.mp4").exists()
