from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn import functional as F

from perceptualloss.data.degrade import Unchanged
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.style_objective import style_objective
from perceptualloss.networks.course import Upscale2x
from perceptualloss.networks.style_norm import StyleNorm
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.training.checkpoint_callbacks import SaveCheckpoint
from perceptualloss.training.checkpoints import checkpoint_files, newest_checkpoint
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.stability import Jolt, draw_jolt, instability
from perceptualloss.training.style import StyleTransfer, fill, styles_of

LOSS: dict[str, Any] = {
    "PerceptualLoss": {
        "network": "compact",
        "layers": {"relu1_2": 1.0},
        "style_layers": {"relu1_2": 1.0, "relu2_1": 1.0},
    },
    "TotalVariationLoss": 0.1,
}
TERMS = {"feature", "style/relu1_2", "style/relu2_1", "total_variation"}


def task(styles: int = 1, **options: Any) -> StyleTransfer:
    torch.manual_seed(0)
    pictures = [torch.rand(1, 3, 24 + 8 * n, 32) for n in range(styles)]
    objectives = [style_objective(LOSS, picture) for picture in pictures]
    return StyleTransfer(StyleTransferNetwork(4, blocks=1, styles=styles), objectives, pictures, **options)


def train(run: StyleTransfer, photos: Path, folder: Path, steps: int, **options: Any) -> None:
    data = PhotoData(Unchanged(), photos, validation=1, crop=24, batch_size=3)
    budget = Budget(4, validate_every=4, device="cpu", precision="fp32")
    callback = SaveCheckpoint(folder / "early", at=steps)
    fit(run, data, folder, budget, progress=False, callbacks=[callback], **options)


def test_the_objective_falls_and_is_logged_with_its_terms(small_photos: Path, tmp_path: Path) -> None:
    run = task(stability=1.0, schedule=Schedule("constant"))
    data = PhotoData(Unchanged(), small_photos, validation=1, crop=24, batch_size=2, validation_size=512)
    budget = Budget(12, validate_every=6, device="cpu", precision="fp32")
    fit(run, data, tmp_path, budget, progress=False)
    (_, early), (step, late) = run.history["objective"]
    assert step == 12
    assert late < early
    content, _ = next(iter(data.val_dataloader()))
    assert max(content.shape) > 48  # the whole photo
    with torch.no_grad():
        expected = run.objectives[0](run.eval()(content), content)
    assert late == pytest.approx(float(expected), rel=1e-3)
    events = EventAccumulator(str(tmp_path)).Reload().Tags()
    logged = {f"Loss/{name}" for name in TERMS | {"stability"}} | {
        f"validation/{name}" for name in TERMS | {"objective"}
    }
    assert logged | {"Loss"} <= set(events["scalars"])
    assert not {"PSNR", "train PSNR"} & set(events["scalars"])
    assert any(tag.startswith("content | result | style") for tag in events["images"])
    saved = torch.load(checkpoint_files(tmp_path)[0], weights_only=True)
    assert all(name.startswith("network.") for name in saved["state_dict"])


def test_resuming_changes_nothing(small_photos: Path, tmp_path: Path) -> None:
    runs = [task(2, stability=1.0, ema=0.9, seed=5) for _ in range(2)]
    train(runs[0], small_photos, tmp_path / "whole", 3)
    train(runs[1], small_photos, tmp_path / "cut", 1, resume=newest_checkpoint(tmp_path / "whole" / "early"))
    states = [run.state_dict() for run in runs]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert runs[0].history == runs[1].history


def test_every_photo_is_compared_with_its_own_style() -> None:
    run = task(2)
    output, content = torch.rand(2, 3, 3, 32, 24)
    terms = run.terms(output, content, [0, 1, 0])
    one_by_one = [run.objectives[style](output[n : n + 1], content[n : n + 1]) for n, style in enumerate([0, 1, 0])]
    assert set(terms) == TERMS
    assert float(sum(terms.values())) == pytest.approx(float(torch.stack(one_by_one).mean()), rel=1e-5)
    assert float(sum(run.terms(output, content, [1, 1, 1]).values())) == pytest.approx(
        float(run.objectives[1](output, content)), rel=1e-5
    )
    networks = {
        id(part.network) for objective in run.objectives for part in objective.modules() if hasattr(part, "view")
    }
    assert len(networks) == 1


def test_a_style_moves_only_its_own_scales_and_shifts() -> None:
    run = task(3)
    content = torch.rand(2, 3, 24, 24)
    sum(run.terms(run(content, [2, 0]), content, [2, 0]).values()).backward()  # type: ignore[union-attr]
    norms = [module for module in run.network.modules() if isinstance(module, StyleNorm)]
    for parameter in (p for norm in norms for p in (norm.scale, norm.shift)):
        assert parameter.grad is not None
        assert parameter.grad[1].eq(0).all()
    assert all(norms[-1].shift.grad[style].ne(0).any() for style in (0, 2))  # type: ignore[index]


def test_styles_take_turns_in_an_order_of_seed_and_sample() -> None:
    whole = styles_of(3, 0, 12, 4)
    assert [sorted(whole[i : i + 4]) for i in (0, 4, 8)] == [[0, 1, 2, 3]] * 3
    assert styles_of(3, 0, 5, 4) + styles_of(3, 5, 7, 4) == whole
    assert len({tuple(styles_of(seed, 0, 12, 4)) for seed in range(8)}) > 4
    assert styles_of(3, 7, 4, 1) == [0] * 4


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (-1, 3), (4, -4)])
def test_a_jolt_moves_pictures_and_nothing_of_it_is_unstable(down: int, right: int) -> None:
    pictures = torch.rand(2, 3, 12, 16)
    jolt = Jolt(down, right, torch.zeros_like(pictures))
    moved = jolt(pictures)
    assert moved.shape == pictures.shape
    assert torch.equal(jolt.inner(moved), jolt.inner(pictures.roll((down, right), (2, 3))))
    assert jolt.inner(moved).shape[2:] == (12 - abs(down), 16 - abs(right))
    assert torch.equal(instability(pictures, moved, jolt), torch.zeros(2))  # the identity's
    noise = 0.1 * torch.ones_like(pictures)
    noisy = Jolt(down, right, noise)
    torch.testing.assert_close(instability(pictures, noisy(pictures), noisy), torch.full((2,), 0.01))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_instability_is_the_temporal_loss_bit_for_bit(dtype: torch.dtype) -> None:
    output, again = torch.rand(2, 2, 3, 12, 16).to(dtype)
    jolt = Jolt(2, -3, torch.zeros(2, 3, 12, 16))
    expected = (again[..., 2:, :-3].float() - output[..., :-2, 3:].float()).square().mean(dim=(1, 2, 3))
    assert torch.equal(instability(output, again, jolt), expected)


def test_a_network_that_depends_on_the_place_is_unstable() -> None:
    pictures = torch.rand(1, 3, 12, 16)
    jolt = Jolt(1, 0, torch.zeros_like(pictures))

    def blocks(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)

    assert instability(blocks(pictures), blocks(jolt(pictures)), jolt) > 1e-3


def test_jolts_are_of_seed_and_step() -> None:
    pictures = torch.zeros(2, 3, 20, 20)
    first, same, other = (draw_jolt(pictures, 1, step) for step in (7, 7, 8))
    assert (first.down, first.right) == (same.down, same.right)
    assert torch.equal(first.noise, same.noise)
    assert not torch.equal(first.noise, other.noise)
    assert float(first.noise.std()) == pytest.approx(0.02, rel=0.1)
    shifts = {(jolt.down, jolt.right) for jolt in (draw_jolt(pictures, 0, step, shift=1) for step in range(100))}
    assert shifts == {(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}


def test_pictures_to_look_at() -> None:
    run = task(2).eval()
    content = torch.rand(1, 3, 40, 24)
    row = run.pictures((content, content))
    assert list(row) == ["content", "result 0", "style 0", "result 1", "style 1"]
    assert {picture.shape for picture in row.values()} == {content.shape}
    ramp = torch.arange(8.0).expand(1, 3, 4, 8)
    assert torch.equal(fill(ramp, 4, 4), ramp[..., 2:6])


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (Upscale2x(), {}, "a network of scale 1"),
        (StyleTransferNetwork(4, 1, styles=2), {}, "--network.init_args.styles 1"),
        (StyleTransferNetwork(4, 1), {"stability": -1.0}, "stability"),
    ],
)
def test_what_does_not_go_is_said(network: Any, options: dict[str, Any], message: str) -> None:
    picture = torch.rand(1, 3, 32, 32)
    with pytest.raises(InputError, match=message):
        StyleTransfer(network, [style_objective(LOSS, picture)], [picture], **options)
