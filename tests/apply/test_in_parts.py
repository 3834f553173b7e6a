"""What is made part by part is what is made of the whole picture: any kind of samples, opacity, orientation, size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from perceptualloss.apply.in_parts import InParts
from perceptualloss.apply.tiles import tiles_of, transform_in_tiles
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.pictures.box import Box, split
from perceptualloss.pictures.picture import Picture, fill_hidden
from perceptualloss.pictures.reading.decoded import Decoded, Request, Samples
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.stored import Stored

HEIGHT, WIDTH = 37, 53
SPACES = {"grey": 1, "rgb": 3, "cmyk": 4}


@pytest.fixture(scope="module", name="network")
def _network() -> nn.Module:
    torch.manual_seed(0)
    network = SubPixelUpscaler(2, width=6, blocks=1)
    nn.init.normal_(network.last.weight, std=0.1)
    return network


def samples(kind: str, channels: int) -> Samples:
    values = np.random.default_rng(0).random((HEIGHT, WIDTH, channels), np.float32)
    if kind == "float32":
        return values
    return np.rint(values * np.iinfo(kind).max).astype(kind)  # type: ignore[return-value]


def opened(space: str, kind: str, clear: bool, orientation: int = 1, profile: bytes | None = None) -> Stored:
    alpha = samples(kind, 1) if clear else None
    if alpha is not None:
        alpha[8:20, 10:30] = 0
    values = samples(kind, SPACES[space])
    picture = Decoded(values, space, 8 if kind == "uint8" else 16, alpha, profile, orientation)  # type: ignore[arg-type]
    return Stored.of(picture, Request("a picture"))


def of_the_whole(stored: Stored, network: nn.Module, size: tuple[int, int], strength: float) -> Picture:
    """Return what the result is by definition."""
    picture = stored.whole()
    content = picture.colours if picture.alpha is None else fill_hidden(picture.colours, picture.alpha)
    made = transform_in_tiles(network, content, tile=1000)
    made = (made.mean(dim=1, keepdim=True) if picture.grey else made).clamp(0, 1)
    if made.shape[-2:] != size:
        made = resize(made, size=size).clamp(0, 1)
    before = resize(content, size=size).clamp(0, 1)
    alpha = None if picture.alpha is None else resize(picture.alpha, size=size).clamp(0, 1)
    return replace(picture, colours=before.lerp(made.expand(-1, 3, -1, -1), strength), alpha=alpha)


CASES = [
    ("rgb", "uint8", False, 1, 2.0, 1.0),
    ("rgb", "uint8", True, 6, 2.0, 1.0),
    ("grey", "uint16", True, 1, 2.0, 1.0),
    ("grey", "uint8", False, 3, 1.5, 1.0),
    ("rgb", "uint16", True, 7, 1.7, 0.6),
    ("cmyk", "uint8", False, 8, 1.3, 1.0),
    ("rgb", "float32", True, 5, 2.0, 0.5),
]


@pytest.mark.parametrize(("space", "kind", "clear", "orientation", "factor", "strength"), CASES)
def test_parts_are_those_of_the_whole(
    space: str, kind: str, clear: bool, orientation: int, factor: float, strength: float, network: nn.Module
) -> None:
    stored = opened(space, kind, clear, orientation)
    size = (round(factor * stored.height), round(factor * stored.width))
    told: list[tuple[int, int]] = []
    work = InParts(
        stored, tiles_of(network, tile=12), size, stored.grey, strength, lambda done, of: told.append((done, of))
    )
    rows = work.parts().rows(16, clear, grey=True)
    found = torch.from_numpy(rows.whole().astype(np.float32)).permute(2, 0, 1)[None] / 65535
    true = of_the_whole(stored, network, size, strength)
    assert rows.channels == (1 if space == "grey" else 3) + clear
    torch.testing.assert_close(found, true.channels(), atol=1e-5 + 0.5 / 65535, rtol=0)
    assert told[-1] == (HEIGHT * WIDTH, HEIGHT * WIDTH)
    assert len(told) > 8


@pytest.mark.parametrize("space", ["rgb", "grey", "cmyk"])
def test_a_profile_is_applied_part_by_part(space: str) -> None:
    name = {"rgb": "adobergb", "grey": "gray"}.get(space)
    profile = bytes(imagecodecs.cms_profile(name, **({"gamma": 1.5} if space == "grey" else {}))) if name else None
    for kind in ("uint8", "uint16"):
        stored = opened(space, kind, False, 6, profile)
        whole = stored.whole().colours
        for box in split(Box(0, stored.height, 0, stored.width), 17):
            assert torch.equal(stored.cut(box).colours, box.cut(whole))


@pytest.mark.parametrize(("height", "width"), [(1, 9), (8, 1), (36, 53), (37, 52), (1, 1)])
def test_hidden_colours_of_parts(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptualloss.pictures.stored._STRIP", 6)
    values = samples("uint8", 3)[:height, :width]
    alpha = samples("uint8", 1)[:height, :width] * (np.arange(height)[:, None, None] > height // 3).astype(np.uint8)
    stored = Stored.of(Decoded(values, "rgb", 8, alpha), Request("a picture"))
    whole = stored.whole()
    assert whole.alpha is not None
    true, cut = fill_hidden(whole.colours, whole.alpha), stored.filler()
    for box in split(Box(0, height, 0, width), 7):
        assert torch.equal(cut(box), box.cut(true))


def test_memory_that_runs_out_makes_tiles_smaller_for_good(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptualloss.apply.tiles._SMALLEST", 4)
    failed = 0

    class Small(nn.Module):
        scale = 2

        def forward(self, x: Tensor) -> Tensor:
            nonlocal failed
            if x.shape[-1] > 30:
                failed += 1
                raise MemoryError
            made: Tensor = network(x)
            return made

    stored = opened("rgb", "uint8", False)
    size = (2 * HEIGHT, 2 * WIDTH)
    tiles = tiles_of(Small(), overlap=5, tile=40)
    found = InParts(stored, tiles, size, False).parts().rows(8, False, False).whole()
    true = of_the_whole(stored, network, size, 1.0).colours
    assert np.abs(found - 255 * true[0].permute(1, 2, 0).numpy()).max() < 0.51
    assert (failed, tiles.side < 20) == (1, True)


def test_bands_are_no_larger_than_they_may_be(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptualloss.pictures.parts._BAND", 3 * 2 * WIDTH * 5)
    stored = opened("rgb", "uint8", False)
    parts = InParts(stored, tiles_of(network, tile=20), (2 * HEIGHT, 2 * WIDTH), False).parts()

    def heights() -> Iterator[int]:
        return (len(band) for band in parts.rows(8, False, False).bands)

    assert max(heights()) == 4  # of 5 rows, for parts begin at pixels of the picture
    assert sum(heights()) == 2 * HEIGHT


def test_as_few_tiles_are_done_as_of_the_whole(network: nn.Module) -> None:
    seen: list[torch.Size] = []

    class Counted(nn.Module):
        scale = 2

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.shape)
            made: Tensor = network(x)
            return made

    stored = opened("rgb", "uint8", False)
    for size in ((2 * HEIGHT, 2 * WIDTH), (60, 86)):
        for tile in (30, 53):
            seen.clear()
            transform_in_tiles(Counted(), stored.whole().colours, tile, overlap=5)
            expected = sorted(seen)
            seen.clear()
            InParts(stored, tiles_of(Counted(), tile, 5), size, False).parts().rows(8, False, False).whole()
            if size[0] == 2 * HEIGHT:
                assert sorted(seen) == expected
            else:
                assert len(seen) <= 3 * len(expected)
