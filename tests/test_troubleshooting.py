"""The messages that docs/troubleshooting.md quotes are those that users see."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from perceptualloss import (
    L1Loss,
    PerceptualLoss,
    cli,
    ms_ssim,
    upscale,
)
from perceptualloss.errors import InputError, warn_once
from perceptualloss.features import weights

PAGE = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"```text\n(.+?)\n```", PAGE)
X = torch.rand(1, 3, 64, 64)
COMPACT = {"relu2_2": 1.0}
CALLS: list[Callable[[], object]] = [
    lambda: L1Loss()(255 * X, 255 * X),
    lambda: L1Loss()(2 * X - 1, 2 * X - 1),
    lambda: L1Loss()(2 * X - 1, X),
    lambda: L1Loss()(X[0], X[0]),
    lambda: L1Loss()(X.permute(0, 2, 3, 1), X.permute(0, 2, 3, 1)),
    lambda: L1Loss()(X[:, :1], X[:, :1]),
    lambda: L1Loss()(X[:, :, None].expand(-1, -1, 4, -1, -1), X),
    lambda: L1Loss()((255 * X).byte(), X),
    lambda: L1Loss()(X, X[..., :32]),
    lambda: L1Loss()(X, X * torch.nan),
    lambda: PerceptualLoss("compact", {"relu4_3": 1.0})(X[..., :8, :8], X[..., :8, :8]),
    lambda: ms_ssim(X, X),
    lambda: PerceptualLoss("vgg", COMPACT),
    lambda: PerceptualLoss("vgg16", COMPACT),
    lambda: PerceptualLoss("torchvision/resnet18", ["layer1"]),
    lambda: upscale(X, device="cuda"),
]


def said(call: Callable[[], object]) -> str:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            call()
        except InputError as error:
            return str(error)
    return " ".join(str(warning.message) for warning in told)


def plain(message: str) -> str:
    """Return a message without its numbers."""
    return re.sub(r"\[[\d., e+-]+\]$|-?\d+(\.\d+)?(e[+-]\d+)?", "#", message)


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_a_message_is_quoted(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    warn_once.cache_clear()
    message = plain(said(CALLS[number]))
    assert message
    assert any(message.startswith(plain(quote).removesuffix(" (#)")) for quote in QUOTED), message


def test_every_quoted_message_is_in_the_code() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in Path(cli.__file__).parents[1].rglob("*.py"))
    for words in (
        "It was cut off or altered: delete it, and it is made or downloaded anew.",
        "memory ran out: going on with tiles of",
        "which this network sees as a whole",
        "a training whose losses and gradients are finite",
        "a training whose weights stay finite",
        "steps in a row, up to step",
        "the network waited",
        "raise workers, now",
    ):
        assert words in source, words
        assert words in PAGE, words
    assert len(QUOTED) == len(CALLS) + 7
