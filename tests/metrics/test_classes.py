"""Metric classes: the mean over pictures of the functions, whatever the batches, processes and collections."""

from __future__ import annotations

import copy
import math
import pickle
import re
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio

import perceptualloss
from perceptualloss import MSELoss, metrics, ms_ssim, perceptual_distance, psnr, ssim, ssimulacra2, st_lpips
from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES
from perceptualloss.losses.ssim import MS_SSIM_WEIGHTS
from perceptualloss.metrics import classes, list_metrics, registry
from perceptualloss.metrics import st_lpips as st_lpips_module
from perceptualloss.metrics.embedded import structure_texture
from perceptualloss.metrics.image_metric import ImageMetric
from perceptualloss.metrics.lpips import lpips_to
from perceptualloss.metrics.protocol import Convention
from perceptualloss.metrics.psnr import mse
from perceptualloss.metrics.registry import metric, metric_function

Function = Callable[[Tensor, Tensor], Tensor]
FUNCTIONS: dict[str, Function] = {
    "PSNR": psnr,
    "SSIM": ssim,
    "MSSSIM": partial(ms_ssim, weights=MS_SSIM_WEIGHTS[:2]),
    "STLPIPS": st_lpips,
    "SSIMULACRA2": ssimulacra2,
    "PerceptualDistance": perceptual_distance,
    "StructureTexture": structure_texture,
}
NAMES = (*FUNCTIONS, "LPIPS")


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    torch.manual_seed(0)
    save_file(ARCHITECTURES["squeezenet"]().state_dict(), file)
    return file


@pytest.fixture
def make(squeezenet: Path) -> Callable[..., ImageMetric]:
    special = {"MSSSIM": {"scales": 2}, "LPIPS": {"net": "squeeze", "weights": squeezenet}}
    return lambda name, **settings: getattr(metrics, name)(**special.get(name, {}), **settings)


@pytest.fixture
def function(squeezenet: Path) -> Callable[[str], Function]:
    loss = perceptualloss.LPIPS("squeeze", weights=squeezenet)
    return lambda name: FUNCTIONS.get(name, lambda x, y: loss.per_image(x, y)["lpips"])


def pictures(count: int, height: int = 36, width: int = 40, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    target = torch.rand(count, 3, height, width)
    return (target + noise * torch.randn_like(target)).clamp(0, 1), target


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_is_over_pictures_of_unequal_batches(name: str, make: Any, function: Any) -> None:
    batches = [pictures(1, noise=0.3), pictures(3), pictures(2, 44, 33)]
    mean = make(name)
    for batch in batches:
        mean.update(*batch)
    values = [function(name)(*batch).detach() for batch in batches]
    torch.testing.assert_close(mean.compute(), torch.cat(values).mean())
    assert mean.compute() != torch.stack([value.mean() for value in values]).mean()
    mean.reset()
    mean.update(*batches[0])
    torch.testing.assert_close(mean.compute(), values[0].mean())
    torch.testing.assert_close(mean(*batches[1]), values[1].mean())  # calling it gives the batch's value
    torch.testing.assert_close(mean.compute(), torch.cat(values[:2]).mean())


@given(st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_however_pictures_are_batched_the_mean_is_theirs(counts: list[int]) -> None:
    output, target = pictures(sum(counts), 4, 5, noise=0.3)
    mean = metrics.PSNR()
    for batch in zip(output.split(counts), target.split(counts), strict=True):
        mean.update(*batch)
    torch.testing.assert_close(mean.compute(), psnr(output, target).mean())


def test_each_class_points_as_the_registry_says_and_each_metric_has_one(make: Any) -> None:
    for name in NAMES:
        kind = getattr(classes, name)
        entry = make(name).name
        assert kind.higher_is_better == metric(entry).higher_is_better
        assert kind.__doc__
    named = {re.sub(r"^(lpips|st_lpips).*", r"\1", make(name).name) for name in NAMES}
    assert {re.sub(r"^(lpips|st_lpips).*", r"\1", name) for name in list_metrics()} == {*named, "mse"}
    own = {
        name for name, kind in vars(classes).items() if isinstance(kind, type) and kind.__module__ == classes.__name__
    }
    assert own == set(NAMES) <= set(metrics.__all__)


def test_any_metric_by_name_with_parameters() -> None:
    output, target = pictures(3)
    mean = ImageMetric("mse:channel=y")
    mean.update(output, target)
    torch.testing.assert_close(mean.compute(), mse(output, target, y_channel=True).mean())
    assert mean.higher_is_better is False
    assert ImageMetric("psnr", options={"max": 2.0}).higher_is_better is True


@pytest.mark.parametrize(
    ("settings", "convention"),
    [
        ({"protocol": "sr", "scale": 3}, Convention(True, 3)),
        ({"protocol": "sr", "crop_border": 1}, Convention(True, 1)),
        ({"protocol": "rgb"}, Convention()),
        ({"protocol": "rgb", "crop_border": 2}, Convention(crop_border=2)),
        ({"protocol": Convention(True, 2, eight_bits=False)}, Convention(True, 2, eight_bits=False)),
        ({}, Convention(eight_bits=False)),
    ],
)
def test_protocols_are_those_of_evaluate(settings: dict[str, Any], convention: Convention) -> None:
    output, target = pictures(2)
    for kind, name in ((metrics.PSNR, "psnr"), (metrics.PerceptualDistance, "perceptual_distance")):
        mean = kind(**settings)
        mean.update(output * 1.2 - 0.1, target)  # beyond the range, as networks give: clamped as a saved picture
        expected = metric_function(name)((output * 1.2 - 0.1).clamp(0, 1), target, convention).mean().float()
        torch.testing.assert_close(mean.compute(), expected)


def test_a_collection_keeps_metrics_apart_that_are_alike_at_first() -> None:
    output, target = pictures(2)
    means = MetricCollection(
        {
            "ssim": metrics.SSIM(),
            "ms_ssim": metrics.MSSSIM(2),
            "ssim of Y": metrics.SSIM(protocol=Convention(y_channel=True, eight_bits=False)),
            "ssim at 1 scale": metrics.MSSSIM(1),
            "distance": metrics.PerceptualDistance(),
            "texture": metrics.StructureTexture(),
            "torchmetrics": PeakSignalNoiseRatio(data_range=1.0),
        }
    )
    means.update(target, target)  # all 1, and all 0
    means.update(preds=output, target=target)
    expected = {
        "ssim": (1 + ssim(output, target).mean()) / 2,
        "ms_ssim": (1 + FUNCTIONS["MSSSIM"](output, target).mean()) / 2,
        "ssim of Y": (1 + ssim(output, target, y_channel=True).mean()) / 2,
        "ssim at 1 scale": (1 + ms_ssim(output, target, weights=MS_SSIM_WEIGHTS[:1]).mean()) / 2,
        "distance": perceptual_distance(output, target).mean() / 2,
        "texture": structure_texture(output, target).mean() / 2,
    }
    values = means.compute()
    for name, value in expected.items():
        torch.testing.assert_close(values[name], value)


def test_a_collection_computes_equal_metrics_once() -> None:
    means = MetricCollection({"a": metrics.PSNR(), "b": metrics.PSNR(), "c": metrics.PSNR(protocol="rgb")})
    means.update(*pictures(2))
    assert sorted(map(sorted, means.compute_groups.values())) == [["a", "b"], ["c"]]


class Model(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid())
        self.loss = MSELoss()
        self.psnr = metrics.PSNR()
        self.others = MetricCollection([metrics.SSIM(), metrics.PerceptualDistance()], prefix="val/")
        self.epochs: list[dict[str, float]] = []

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.loss(self.network(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        output = self.network(batch[0])
        self.psnr.update(output, batch[1])
        self.log("val/psnr", self.psnr)
        self.others.update(output, batch[1])
        self.log_dict(self.others)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore:.*treespec")  # Lightning's own
def test_lightning_logs_the_mean_over_pictures_of_each_epoch(tmp_path: Path) -> None:
    output, target = pictures(5, noise=0.3)
    loader = DataLoader(TensorDataset(output, target), batch_size=2)
    model = Model()

    class Keep(L.Callback):
        def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
            with torch.no_grad():
                result = model.network(output).clamp(0, 1)
            expected = {
                "val/psnr": psnr(result, target),
                "val/SSIM": ssim(result, target),
                "val/PerceptualDistance": perceptual_distance(result, target),
            }
            logged = {key: float(trainer.callback_metrics[key]) for key in expected}
            model.epochs.append(logged)
            assert logged == pytest.approx({key: value.mean().item() for key, value in expected.items()}, rel=1e-5)

    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        num_sanity_val_steps=0,
        callbacks=[Keep()],
    )
    trainer.fit(model, loader, loader)
    assert len(model.epochs) == 2
    assert model.epochs[0] != model.epochs[1]
    assert set(model.state_dict()) == {"network.0.weight", "network.0.bias"}


def test_several_processes_add_up_their_sums() -> None:
    first, second = pictures(1, noise=0.3), pictures(3)
    expected = torch.cat([ssim(*first), ssim(*second)]).mean()
    ranks = [metrics.SSIM(), metrics.SSIM(), metrics.SSIM().to(torch.bfloat16)]  # the last one gets no picture
    ranks[0].update(*first)
    ranks[1].update(*second)
    for rank in ranks[:2]:
        states = [copy.deepcopy(other.metric_state) for other in ranks]
        gathered = iter([[state[key] for state in states] for key in states[0]])
        rank.distributed_available_fn = lambda: True
        rank.dist_sync_fn = lambda value, group, gathered=gathered: next(gathered)
        torch.testing.assert_close(rank.compute(), expected)
        assert {value.dtype for state in states for value in state.values()} == {torch.float64, torch.long}
        assert rank.pictures == len(first[0] if rank is ranks[0] else second[0])  # its own again
    merged = metrics.SSIM()
    merged.update(*first)
    other = metrics.SSIM()
    other.update(*second)
    merged.merge_state(other)
    torch.testing.assert_close(merged.compute(), expected)


def _measure(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=3)
    mean = metrics.PSNR().to(torch.bfloat16)
    target = torch.full((rank, 3, 8, 8), 0.5)
    if rank:  # the first one gets no picture
        mean.update(target + 0.1 * rank, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it got none
        torch.save(mean.compute(), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_processes_that_talk_find_the_same_mean(tmp_path: Path, in_processes: Callable[..., None]) -> None:
    in_processes(_measure, str(tmp_path), processes=3)
    decibels = [20.0, *2 * [20 - 20 * math.log10(2)]]
    for rank in range(3):
        assert torch.load(tmp_path / f"{rank}.pt").item() == pytest.approx(sum(decibels) / 3, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_metrics_are_pickled_and_copied_with_what_they_have_seen(name: str, make: Any) -> None:
    batch, mean = pictures(2), make(name)
    mean.update(*batch)
    for other in (pickle.loads(pickle.dumps(mean)), copy.deepcopy(mean), mean.clone()):
        torch.testing.assert_close(other.compute(), mean.compute())
        other.update(batch[1], batch[1])
        assert (other.pictures, mean.pictures) == (4, 2)
    assert not list(mean.parameters())
    assert not mean.state_dict()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_of_pictures_and_modules_do_not_round_the_sum(dtype: torch.dtype) -> None:
    output, target = (images.to(dtype) for images in pictures(2))
    for cast in (
        lambda metric: metric,
        lambda metric: metric.to(dtype),
        lambda metric: nn.ModuleList([metric]).to(dtype)[0],
    ):
        mean = cast(metrics.PSNR())
        for _ in range(300):  # in 16 bits the sum would stand still at 2048 or 4096
            mean.update(output, target)
        assert next(iter(mean.metric_state.values())).dtype == torch.float64
        torch.testing.assert_close(mean.compute(), psnr(output.float(), target.float()).mean())
        mean.reset()
        assert next(iter(mean.metric_state.values())).dtype == torch.float64


@pytest.mark.parametrize("name", NAMES)
def test_other_ranges_and_shapes_are_refused_as_the_functions_refuse_them(name: str, make: Any) -> None:
    output, target = pictures(2)
    mean = make(name)
    for bad, message in (
        ((255 * output, 255 * target), "target.*Divide 8-bit values by 255, or say input_range"),
        ((255 * output, target), "preds.*255"),
        ((2 * output - 1, 2 * target - 1), r"target.*input_range=\(-1, 1\)"),
        ((output[0], target[0]), r"preds of shape \(N, 3, H, W\)"),
        ((output, target[:, :, 1:]), "preds and target of the same shape"),
        (((255 * output).byte(), target), "preds in floating point"),
    ):
        with pytest.raises(InputError, match=message):
            mean.update(*bad)
    assert mean.pictures == 0


@pytest.mark.parametrize("input_range", [(-1, 1), (0, 255), "imagenet"])
def test_input_range_is_that_of_losses(input_range: Any) -> None:
    output, target = pictures(2)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    there = {(-1, 1): lambda x: 2 * x - 1, (0, 255): lambda x: 255 * x, "imagenet": lambda x: (x - mean) / std}
    for name in ("PSNR", "PerceptualDistance"):
        in_range = getattr(metrics, name)(input_range=input_range)
        in_range.update(*(there[input_range](images) for images in (output, target)))
        torch.testing.assert_close(in_range.compute(), FUNCTIONS[name](output, target).mean(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_batchs_value_has_a_gradient_where_the_class_says_so(name: str, make: Any, function: Any) -> None:
    output, target = pictures(2)
    lpips_to.cache_clear()
    with torch.inference_mode():  # as a trainer validates; what is built there must not lose its gradient for good
        make(name).update(output, target)
    output.requires_grad_()
    mean = make(name)
    value = mean(output, target)
    assert value.requires_grad == mean.is_differentiable == getattr(metrics, name).is_differentiable
    if mean.is_differentiable:
        expected = torch.autograd.grad(function(name)(output, target).mean(), output)[0]
        gradient = torch.autograd.grad(value, output)[0]
        inside = (output > 0) & (output < 1)  # clamped at the borders
        torch.testing.assert_close(gradient[inside], expected[inside])
    assert not any(state.requires_grad for state in mean.metric_state.values())


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: ImageMetric("pnsr"), "Did you mean 'psnr'"),
        (lambda: ImageMetric("ssim", options={"scales": 3}), "parameter of ssim"),
        (lambda: metrics.PSNR(protocol="srr"), "protocol to be one of sr"),
        (lambda: metrics.PSNR(protocol="sr"), "a scale for protocol 'sr'"),
        (lambda: metrics.PSNR(scale=4), "no scale with the protocol course"),
        (lambda: metrics.PSNR(protocol=Convention(), crop_border=2), "no crop_border beside a Convention"),
        (lambda: metrics.PSNR(input_range=(1, 0)), "input_range"),
        (lambda: metrics.MSSSIM(9), "scales of ms_ssim from 1 to 5"),
        (lambda: metrics.LPIPS("alex", "none.pth"), "no file at"),
        (lambda: metrics.LPIPS("resnet"), "lpips-alex"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(make_it: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_it()


def test_what_is_not_installed_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st_lpips_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'perceptualloss\[metrics\]'"):
        metrics.STLPIPS()


def test_no_picture_has_no_mean() -> None:
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metrics.PSNR().compute().isnan()


PAGE = Path(__file__).resolve().parents[2] / "docs" / "evaluating.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("## In your own loop")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


def test_the_page_names_every_class() -> None:
    assert len(BLOCKS) == 3
    assert {name for name in metrics.__all__ if name[0].isupper()} <= set(re.findall(r"\w+", SECTION))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_the_page_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("_ENTRIES", "FUNCTIONS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # no GPU is used, logs go nowhere
        exec(compile(block, str(PAGE), "exec"), {"__name__": "__main__"})
