"""Training under masks: from photos' transparency or a folder; crops, flips and validation carry them along."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from perceptualloss.cli import main
from perceptualloss.data.crops import Crops, whole
from perceptualloss.data.damage import Noise
from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData
from perceptualloss.data.paired import PairedData
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.ssim import SSIMLoss
from perceptualloss.metrics.psnr import psnr
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.game import Game
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_checks import check_recipe
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised
from perceptualloss.training.train import train


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos whose left half is red and counts; the right one is green. With alpha, and masks beside them."""
    for folder in ("alpha", "plain", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(4):
        pixels = np.zeros((40, 48, 4), np.uint8)
        pixels[:, :24] = (200 + i, 0, 0, 255)
        pixels[:, 24:] = (0, 200, 0, 0)
        Image.fromarray(pixels).save(tmp_path / "alpha" / f"{i}.png")
        Image.fromarray(pixels[..., :3]).save(tmp_path / "plain" / f"{i}.png")
        Image.fromarray(pixels[..., 3]).save(tmp_path / "masks" / f"{i}_mask.png")
    return tmp_path


def data(photos: Path, masks: str, **options: Any) -> PhotoData:
    if masks == "alpha":
        return PhotoData(Downscale(2), photos / "alpha", validation=1, masks="alpha", **options)
    return PhotoData(Downscale(2), photos / "plain", validation=1, masks=photos / "masks", **options)


@pytest.mark.parametrize("masks", ["alpha", "folder"])
def test_crops_flips_and_validation_carry_the_mask(photos: Path, masks: str) -> None:
    found = data(photos, masks, crop=16, batch_size=8)
    sizes = set()
    for i in range(60):
        low, target, mask = found.crops[i]
        assert low.shape == (3, 8, 8)
        assert mask.shape == (1, 16, 16)
        assert mask.any()  # a crop of the green half alone is drawn anew
        red = (target[0] > 0.7) & (target[1] == 0)
        assert torch.equal(mask[0] == 1, red)
        sizes.add(int(mask.sum()))
    assert len(sizes) > 3
    assert torch.equal(found.crops[7][2], found.crops[7][2])
    (low, target, mask), *_ = found.val_dataloader()
    assert low.shape == (1, 3, 20, 24)
    assert mask.shape == (1, 1, 40, 48)
    assert mask.mean() == 0.5
    assert torch.equal(mask[0, 0] == 1, (target[0, 0] > 0.7) & (target[0, 1] == 0))


def test_where_little_counts_a_crop_lies_around_it() -> None:
    photo = torch.zeros(4, 64, 64, dtype=torch.uint8)
    photo[3, 61, 3] = 255
    crops = Crops([photo], Downscale(4), 8, 50)
    assert all(crops[i][2].sum() == 1 for i in range(50))
    low, target, mask = whole(photo, Downscale(4))
    assert (low.shape, target.shape, mask.shape) == ((3, 16, 16), (3, 64, 64), (1, 64, 64))
    assert len(Crops([photo[:3]], Downscale(4), 8, 50)[0]) == 2


def test_pairs_have_the_masks_of_their_targets(photos: Path) -> None:
    found = PairedData(photos / "plain", photos / "plain", validation=1, crop=16, masks=photos / "masks")
    for i in range(20):
        low, target, mask = found.crops[i]
        assert torch.equal(low, target)
        assert torch.equal(mask[0] == 1, target[0] > 0.7)
    *_, mask = next(iter(found.val_dataloader()))
    assert mask.mean() == 0.5


def recipe(folder: Path, **settings: Any) -> Recipe:
    usual = {
        "network": ResidualUpscaler(1, width=4, blocks=1),
        "loss": "L1Loss",
        "degradation": Noise((0.1, 0.2)),
        "photos": folder / "plain",
        "masks": folder / "masks",
        "validation": 1,
        "crop": 16,
        "batch_size": 2,
        "steps": 2,
        "device": "cpu",
        "precision": "fp32",
    }
    return Recipe(**(usual | settings))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"masks": "alpha", "warm_up_steps": 1},
        {"masking": "exact", "loss": {"FeatureReconstructionLoss": {"network": "compact", "layers": ["relu1_2"]}}},
    ],
)
def test_a_recipe_trains_under_masks(photos: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    if settings.get("masks") == "alpha":
        settings = settings | {"photos": photos / "alpha"}
    torch.manual_seed(0)
    scores = train(recipe(photos, **settings), tmp_path / "run")
    assert 0 < scores["psnr"] < 100
    assert (tmp_path / "run" / "network.safetensors").is_file()


def test_what_does_not_count_moves_no_weight(caplog: pytest.LogCaptureFixture) -> None:
    """Neither values outside nor a crop of which nothing counts, which ends no training but is said at its start."""
    gradients = []
    for noise in (0.0, 1.0):
        torch.manual_seed(0)
        task = Supervised(ResidualUpscaler(1, width=4, blocks=1), L1Loss() + SSIMLoss(), masking="exact")
        task.log = task.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
        task._fabric = None
        low, target = torch.rand(2, 1, 3, 24, 24).unbind(0)
        mask = torch.zeros(1, 1, 24, 24)
        mask[..., :14] = 1
        target = torch.where(mask == 1, target, noise)
        total = _step(task, (low, target, mask))
        total.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in task.parameters() if p.grad is not None]))
        empty = _step(task, (low, target, mask * 0))
        empty.backward()
        assert all(p.grad.isfinite().all() for p in task.parameters() if p.grad is not None)
    assert torch.equal(*gradients)
    assert not caplog.text
    _step(task, (low, target, mask[:1] * (torch.arange(24) < 9)), step=0)
    assert "no gradient: expected a region of full weight of 11 x 11 pixels, as a window of SSIM sees" in caplog.text
    assert gradients[0].abs().max() > 0


def _step(task: Supervised, batch: tuple[Tensor, ...], step: int = 5) -> Tensor:
    from unittest.mock import PropertyMock, patch  # noqa: PLC0415

    with patch.object(Supervised, "global_step", new_callable=PropertyMock, return_value=step):
        total = task.training_step(batch, 0)
    assert total is not None
    return total


def test_a_validation_measures_under_the_mask(photos: Path) -> None:
    task = Supervised(ResidualUpscaler(1, width=4, blocks=1), L1Loss()).eval()
    logged = {}
    task.log = lambda name, value, **_: logged.setdefault(name, value)  # type: ignore[method-assign, assignment]
    low, target = torch.rand(2, 1, 3, 24, 24).unbind(0)
    mask = torch.zeros(1, 1, 24, 24)
    mask[..., :12, :12] = 1
    with torch.no_grad():
        task.validation_step((low, target, mask), 0)
        expected = psnr(task(low)[..., :12, :12].clamp(0, 1), target[..., :12, :12])
    torch.testing.assert_close(logged["PSNR"], expected.mean())


def test_what_cannot_be_masked_is_said(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="masks without adversarial"):
        check_recipe(recipe(photos, adversarial=Game()))
    with pytest.raises(InputError, match="masking together with masks"):
        check_recipe(recipe(photos, masks=None, masking="exact"))
    with pytest.raises(InputError, match="masks together with photos"):
        check_recipe(recipe(photos, photos=None, validation=0.1))
    with pytest.raises(InputError, match="masks of the photos' names"):
        PhotoData(Downscale(2), photos / "plain", masks=_empty(photos), validation=1)
    (photos / "masks" / "0_mask.png").unlink()
    caplog.set_level(logging.WARNING)
    found = data(photos, "folder", crop=16)  # one mask is gone: its photo is left out
    assert len(found.files) == 3
    assert "expected a mask for" in caplog.text
    Image.new("RGB", (48, 40), (1, 2, 3)).save(photos / "masks" / "1_mask.png")
    Image.new("L", (48, 41), 255).save(photos / "masks" / "2_mask.png")
    with pytest.raises(InputError, match="at least one picture each"):
        data(photos, "folder", crop=16)
    assert "a grey picture" in caplog.text
    assert "40 x 48 pixels" in caplog.text


def test_tasks_that_take_no_masks_refuse_them() -> None:
    picture, network = torch.rand(1, 3, 16, 16), ResidualUpscaler(1, width=4, blocks=1)
    critic, game = nn.Conv2d(3, 1, 3), Game(clip=0.01)
    for task in (
        Adversarial(network, critic, L1Loss(), game),
        StyleTransfer(network, [L1Loss()], [picture]),
    ):
        with pytest.raises(InputError, match=f"{type(task).__name__}, got a mask, too"):
            task.training_step((picture, picture, picture[:, :1]), 0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="masking with a critic"):
        Adversarial(network, critic, L1Loss(), game, masking="exact")


def _empty(photos: Path) -> Path:
    (photos / "none").mkdir()
    Image.new("L", (48, 40), 255).save(photos / "none" / "other.png")
    return photos / "none"


def test_on_the_command_line(photos: Path, tmp_path: Path) -> None:
    options = ["--photos", str(photos / "alpha"), "--validation", "1", "--masks", "alpha", "--crop", "16"]
    options += ["--out", str(tmp_path / "runs"), "--device", "cpu", "--precision", "fp32", "--smoke"]
    assert main(["train", "upscale2x-perceptual", *options]) in (0, None)
    (written,) = (tmp_path / "runs").glob("*/config.yaml")
    assert "masks: alpha" in written.read_text()
