"""The main job: train the same network once per loss, and show what the losses make of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData
from perceptualloss.drawing.details import Photo
from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.files import write_json
from perceptualloss.losses.base import Loss
from perceptualloss.losses.registry import LOSSES, build_loss, described, options_of
from perceptualloss.metrics.metric import SECONDS, Metric, telling
from perceptualloss.metrics.registry import at_hand, list_metrics, metric
from perceptualloss.metrics.report import measure_all
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Upscale2x, Upscale4x
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.compare.curves import plot_curves
from perceptualloss.studies.compare.fitting import VALIDATIONS, Costs, fit_to_time, measure_costs
from perceptualloss.studies.compare.panels import write_panels
from perceptualloss.studies.compare.report import write_report
from perceptualloss.studies.compare.results import Comparison, Run
from perceptualloss.studies.compare.settings import NetworkName, Settings
from perceptualloss.training.checkpoint_callbacks import SaveCheckpoint
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.precision import best_precision
from perceptualloss.training.randomness import own_randomness
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.run_folder import WriteRecord, data_record, in_words
from perceptualloss.training.supervised import Supervised

INTERPOLATION = "bilinear"
NETWORKS: dict[str, dict[int, Callable[[], TransformationNetwork]]] = {
    "course": {2: Upscale2x, 4: Upscale4x},
    "residual": {scale: partial(ResidualUpscaler, scale) for scale in (2, 4)},
}
TIME = Metric(SECONDS, "training time", "s", False, "Time that the training took on this machine.")


def compare(
    settings: Settings,
    folder: Path,
    *,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Train one network per loss on the same data, seed and budget; measure, draw and report.

    All networks start from the same random weights and share the first ``shared_steps`` of the settings, which are
    trained with MSE whatever the loss, so they are computed once. What is found in ``folder`` of an interrupted
    comparison with the same settings is gone on with.

    Args:
        settings: what to compare and how.
        folder: for everything that is written: ``metrics.json``, ``curves/``, ``panels/``, ``report.html``,
            ``networks/`` and TensorBoard's files.
        progress: whether to show progress bars.
        say: is called with a line of text before each stage.

    Returns:
        The scores of all runs, interpolation first.

    Raises:
        InputError: for unusable settings, photos or weights, or a full disk.
        TrainingInterrupted: after Ctrl-C, once a checkpoint is written.
    """
    losses = _build_losses(settings)
    data = PhotoData(
        Downscale(settings.scale),
        settings.photos,
        validation=settings.validation,
        crop=settings.crop,
        batch_size=settings.batch_size,
        seed=settings.seed,
        workers=settings.workers,
    )
    say(f"{len(data.training_photos)} photos to train on, {len(data.validation_photos)} to validate")
    settings = _with_steps(settings, losses, data, folder, say)
    _check_warm_up(settings)  # there may be fewer steps now
    settings.write(folder)
    if settings.warm_up_steps is None and not settings.shared_steps:
        say("No warm-up with MSE, because the course's loss is set alone; --warm-up-steps N shares N steps")
    tasks = {}
    for name, loss in losses.items():
        say(f"Training with {': '.join(described(name))}")
        tasks[name] = _train(settings, loss, data, folder, name, progress)
        save_network(tasks[name].network, folder / "networks" / f"{name}.safetensors", **_card(settings, name, data))
    say("Measuring whole validation photos")
    photos, scores = _transform(data, tasks, settings.scale)
    comparison = _comparison(settings, tasks, scores)
    say("Drawing the report")
    write_json(asdict(comparison), folder / "metrics.json")
    plot_curves(comparison, folder)
    write_panels(comparison, photos, folder)
    write_report(comparison, photos, folder)
    return comparison


def _with_steps(
    settings: Settings, losses: dict[str, Loss], data: PhotoData, folder: Path, say: Callable[[str], None]
) -> Settings:
    """Return settings that say how many steps of which network: as asked, as begun in the folder, or as fit."""
    if settings.steps is not None:
        return settings
    if (begun := settings.begun_in(folder)) is not None:
        return begun

    def costs(network: NetworkName) -> Costs:
        return measure_costs(settings, NETWORKS[network][settings.scale](), losses, data)

    return fit_to_time(settings, costs, say)


def _check_warm_up(settings: Settings) -> None:
    if not 0 <= settings.shared_steps < settings.length:
        got = f"{settings.shared_steps} of {settings.length}"
        raise InputError("warm_up_steps below steps", got, "Lower --warm-up-steps.")


def _build_losses(settings: Settings) -> dict[str, Loss]:
    if settings.scale not in NETWORKS[check_choice("network", settings.architecture, NETWORKS)]:
        raise InputError("scale to be 2 or 4", str(settings.scale))
    if settings.minutes is not None and not settings.minutes > 0:
        raise InputError("minutes above 0", f"{settings.minutes:g}")
    if settings.steps is not None:
        check_idle({"minutes": settings.minutes}, {"minutes": None}, "with steps: they say how long it takes")
    _check_warm_up(settings)
    if not settings.losses or len(set(settings.losses)) < len(settings.losses):
        raise InputError("different losses to compare", " ".join(settings.losses) or "none")
    for name in settings.losses:
        check_choice("loss", name, LOSSES)
    if not any("network" in options_of(name) for name in settings.losses):
        usual = {"loss_network": Settings.loss_network}
        check_idle({"loss_network": settings.loss_network}, usual, f"for {' and '.join(settings.losses)}")
    return {
        name: build_loss(name, settings.loss_network if "network" in options_of(name) else None)
        for name in settings.losses
    }


def _train(settings: Settings, loss: Loss, data: PhotoData, folder: Path, name: str, progress: bool) -> Supervised:
    with own_randomness(settings.seed):
        task = Supervised(
            NETWORKS[settings.architecture][settings.scale](),
            loss,
            learning_rate=settings.learning_rate,
            warm_up_steps=settings.shared_steps,
        )
    own, warm = folder / "runs" / name, folder / "warm-up"
    warmed = newest_checkpoint(warm)
    resume = newest_checkpoint(own) or warmed
    save_warm = [SaveCheckpoint(warm, at=settings.shared_steps)] if settings.shared_steps and warmed is None else []
    every = max(1, settings.length // VALIDATIONS)
    budget = Budget(settings.length, every, every, device=settings.device, devices=1, seed=settings.seed)
    described = _described(settings) | {"loss": name}
    record = WriteRecord(own, described, data_record(data.files), settings.command(), resumed=True)
    fit(task, data, own, budget, resume=resume, progress=progress, callbacks=[record, *save_warm])
    return task


def _card(settings: Settings, loss: str, data: PhotoData) -> dict[str, str]:
    """Return what a saved network says of how it was trained."""
    card = {name: value for name, value in _described(settings).items() if name not in ("network", "data")}
    return card | {"loss": loss, "degradation": in_words(data.degradation), "data": json.dumps(data_record(data.files))}


@torch.no_grad()
def _transform(
    data: PhotoData, tasks: dict[str, Supervised], scale: int
) -> tuple[list[Photo], dict[str, dict[str, dict[str, float]]]]:
    """Return the photos with every run's output, and run -> photo -> metric -> score."""
    photos = []
    scores: dict[str, dict[str, dict[str, float]]] = {name: {} for name in (INTERPOLATION, *tasks)}
    for name, low, target in data.validation_pairs():
        outputs = {INTERPOLATION: resize(low, size=(target.shape[-2], target.shape[-1]), method="bilinear")}
        for loss, task in tasks.items():
            task.eval()
            outputs[loss] = task(low.to(task.device)).float().cpu()
        outputs = {run: output.clamp(0, 1) for run, output in outputs.items()}
        for run, values in measure_all(outputs, target).items():
            scores[run][name] = {key: float(value) for key, value in values.items()}
        photos.append(Photo(name, target, outputs))
    return photos, scores


def _comparison(
    settings: Settings, tasks: dict[str, Supervised], scores: dict[str, dict[str, dict[str, float]]]
) -> Comparison:
    def run(name: str) -> Run:
        per_photo = scores[name]
        keys = next(iter(per_photo.values()))
        mean = {key: sum(photo[key] for photo in per_photo.values()) / len(per_photo) for key in keys}
        if name == INTERPOLATION:
            return Run(name, name, "plain bilinear interpolation", 0, 0.0, mean, {}, per_photo)
        task, (label, description) = tasks[name], described(name)
        mean["seconds"] = task.seconds
        return Run(
            name,
            label,
            description,
            settings.length,
            task.seconds,
            mean,
            task.history,
            per_photo,
        )

    runs = [run(name) for name in scores]
    return Comparison(
        title=f"The same network, trained with {' and with '.join(r.label for r in runs[1:])}, {settings.length} steps",
        scale=settings.scale,
        metrics=[*_metrics(runs[-1]), *([TIME] if SECONDS in runs[-1].scores else [])],
        runs=runs,
        settings=_described(settings),
        missing=at_hand("comparison")[1],
        verdict=verdict(runs),
    )


def _described(settings: Settings) -> dict[str, str]:
    versions = {name: version(name) for name in ("perceptualloss", "torch")}
    minutes = settings.fitted_minutes
    fitted = {} if minutes is None else {"chosen": f"network and steps, to fit {minutes:g} minutes on this machine"}
    return {
        "command": settings.command(),
        "network": {"course": f"Upscale{settings.scale}x", "residual": "ResidualUpscaler"}[settings.architecture],
        "loss_network": settings.loss_network,
        "data": str(settings.photos or "built-in photos of scikit-image"),
        "steps": str(settings.length),
        **fitted,
        "warm_up_steps": str(settings.shared_steps),
        "crop": f"{settings.crop} x {settings.crop} pixels",
        "batch_size": str(settings.batch_size),
        "learning_rate": f"{settings.learning_rate:g}, cosine to 0 (Adam)",
        "seed": str(settings.seed),
        "precision": best_precision(settings.device),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


def _metrics(run: Run) -> list[Metric]:
    """Return the metrics of pictures that a run was measured by."""
    return [metric(name) for name in list_metrics("comparison") if name in run.scores]


def verdict(runs: Sequence[Run]) -> list[str]:
    """Say in sentences how each trained run differs from the first trained one, whichever way that is."""
    trained = [run for run in runs if run.trained]
    sentences = []
    for run in trained[1:]:
        first = trained[0]
        decibels = run.scores["psnr"] - first.scores["psnr"]
        judge = telling(_metrics(run))
        change = run.scores[judge.key] / first.scores[judge.key] - 1
        sentences.append(
            f"Trained with {run.label}, the network's {judge.label} is {abs(change):.0%} "
            f"{'lower (better)' if change < 0 else 'higher (worse)'} than with {first.label}, and its PSNR "
            f"{abs(decibels):.2f} dB {'lower (worse)' if decibels < 0 else 'higher (better)'}."
        )
    return sentences
