"""Measure many pictures: decoded by several threads, batched by size; one bad file does not end it."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor

from perceptualloss.apply.device import free_memory
from perceptualloss.data.masks import Masks
from perceptualloss.errors import InputError
from perceptualloss.losses.mask import Masking
from perceptualloss.metrics.protocol import Convention
from perceptualloss.metrics.registry import MetricFunction
from perceptualloss.studies.evaluate.candidates import Candidate, Loaded, Task, complete, load

_BATCH_PIXELS = {"cpu": 2**19, "cuda": 2**22}  # of all pictures in a batch; VGG keeps 64 floats for each
_MOST_WORKERS = 8


@dataclass(frozen=True)
class Measured:
    """``values`` maps candidate, metric and picture to a value; ``problems`` says what could not be, and why."""

    values: dict[str, dict[str, dict[str, float]]]
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Whom to measure, by what, and how."""

    candidates: Sequence[Candidate]
    measures: Sequence[MetricFunction]
    convention: Convention
    scale: int | None
    device: str
    workers: int | None = None
    masks: Masks | None = None
    masking: Masking = "area"

    @property
    def shrink(self) -> bool:
        """Whether there are networks, which begin with a small picture."""
        return any(candidate.network is not None for candidate in self.candidates)


def measure_all(plan: Plan, tasks: Sequence[Task], progress: Callable[[int, int], None]) -> Measured:
    """Measure every candidate on every picture.

    Files are read, and pixel measures taken, by ``plan.workers`` threads, while this one runs the networks.
    """
    measured = Measured({c.name: {m.metric.key: {} for m in plan.measures} for c in plan.candidates})
    workers = plan.workers or min(_MOST_WORKERS, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        try:
            done = 0
            for batch in _batches(_load_ahead(pool, plan, tasks, measured, workers), plan.device):
                _measure(pool, plan, [complete(loaded, plan.candidates) for loaded in batch], measured)
                done += len(batch)
                progress(done + len(measured.problems), len(tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    keep_what_all_have(measured)
    return measured


def keep_what_all_have(measured: Measured) -> None:
    """Leave out what is not a number, and what one candidate alone has: means are over the same pictures."""
    for by_metric in measured.values.values():
        for key, values in by_metric.items():
            for name in [name for name, value in values.items() if math.isnan(value)]:
                del values[name]
                measured.problems.setdefault(f"{name}: {key}", "its value is not a number")
    for key in {key for by_metric in measured.values.values() for key in by_metric}:
        common = set.intersection(*(set(by_metric[key]) for by_metric in measured.values.values()))
        for by_metric in measured.values.values():
            by_metric[key] = {name: value for name, value in by_metric[key].items() if name in common}


def _load_ahead(
    pool: ThreadPoolExecutor, plan: Plan, tasks: Iterable[Task], measured: Measured, workers: int
) -> Iterator[Loaded]:
    """Yield the pictures in order of their size, read a few ahead; name those that do not decode."""
    waiting: deque[tuple[str, Future[Loaded]]] = deque()
    for task in sorted(tasks, key=_size):
        waiting.append((task.name, pool.submit(load, task, plan.scale, plan.shrink, plan.masks)))
        if len(waiting) > 2 * workers:
            yield from _finished(*waiting.popleft(), measured)
    while waiting:
        yield from _finished(*waiting.popleft(), measured)


def _finished(name: str, future: Future[Loaded], measured: Measured) -> Iterator[Loaded]:
    try:
        yield future.result()
    except InputError as error:
        measured.problems[name] = str(error)


def _batches(pictures: Iterable[Loaded], device: str) -> Iterator[list[Loaded]]:
    """Put successive pictures of one size together, up to a number of pixels."""
    most = _BATCH_PIXELS.get(device, _BATCH_PIXELS["cpu"])
    batch: list[Loaded] = []
    for picture in pictures:
        area = picture.target.shape[-2] * picture.target.shape[-1]
        alike = batch and (batch[0].target.shape, batch[0].grey) == (picture.target.shape, picture.grey)
        alike = alike and picture.mask is None  # with masks one by one, so that a bad one spoils no other
        if batch and (not alike or (len(batch) + 1) * area > most):
            yield batch
            batch = []
        batch.append(picture)
    if batch:
        yield batch


def _measure(pool: ThreadPoolExecutor, plan: Plan, batch: Sequence[Loaded], measured: Measured) -> None:
    """Measure pictures of one size: pixels in the threads, meanwhile the networks here."""
    jobs = [(loaded, pool.submit(_pixel_values, plan, loaded)) for loaded in batch]
    names = [loaded.task.name for loaded in batch]
    target = torch.cat([loaded.target for loaded in batch]).to(plan.device)
    weight = None if batch[0].mask is None else batch[0].mask.to(plan.device)
    outputs = {c.name: torch.cat([loaded.outputs[c.name] for loaded in batch]) for c in plan.candidates}
    for measure in plan.measures:
        if not measure.by_pixels:
            try:
                _check_memory(measure, target)
                with torch.inference_mode():
                    values = measure.beside(target, plan.convention, weight=weight, masking=plan.masking)
                    for candidate, output in outputs.items():
                        each = values(output.to(plan.device)).tolist()
                        measured.values[candidate][measure.metric.key].update(zip(names, each, strict=True))
            except InputError as error:
                measured.problems.update({f"{name}: {measure.metric.label}": str(error) for name in names})
    for loaded, job in jobs:
        for (candidate, measure), value in job.result().items():
            if isinstance(value, InputError):
                measured.problems[f"{loaded.task.name}: {measure.metric.label}"] = str(value)
            else:
                measured.values[candidate][measure.metric.key][loaded.task.name] = value


def _check_memory(measure: MetricFunction, target: Tensor) -> None:
    """Refuse a picture that would not fit: a full CPU ends the program, and with it what was measured."""
    free = free_memory(target.device)
    needed = measure.bytes_per_pixel * target[:, 0].numel()
    if free is not None and needed > free:
        raise InputError(
            f"{needed / 2**30:.1f} GiB of free memory for {measure.metric.label}",
            f"{free / 2**30:.1f}",
            "Measure a piece of the picture, or choose others with --metrics.",
        )


def _pixel_values(plan: Plan, loaded: Loaded) -> dict[tuple[str, MetricFunction], float | InputError]:
    """Take the pixel measures of one picture, or say why one cannot be had."""
    values: dict[tuple[str, MetricFunction], float | InputError] = {}
    for name, output in loaded.outputs.items():
        for measure in plan.measures:
            if measure.by_pixels:
                try:
                    grey, mask = loaded.grey, loaded.mask
                    value = measure(output, loaded.target, plan.convention, grey, mask, plan.masking)
                    values[name, measure] = float(value)
                except InputError as error:
                    values[name, measure] = error
    return values


def _size(task: Task) -> tuple[int, int]:
    """Return (height, width) from the header of a target; (0, 0) where it has none, which shows when it is read."""
    try:
        with Image.open(task.target) as picture:
            return picture.height, picture.width
    except Exception:  # Pillow raises nearly anything for broken files
        return 0, 0
