"""Measure many pictures: decoded by several threads, batched by size; one bad file does not end it."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from perceptualloss.apply.device import free_memory
from perceptualloss.data.masks import Masks
from perceptualloss.errors import InputError
from perceptualloss.losses.mask import Masking
from perceptualloss.metrics.protocol import Convention
from perceptualloss.metrics.registry import MetricFunction
from perceptualloss.pictures.images import picture_size
from perceptualloss.pictures.samples import to_8_bits
from perceptualloss.studies.evaluate.candidates import Candidate, Loaded, Task, complete, load

# Of all pictures in a batch, on a CPU for each of its threads: VGG keeps 64 floats for each pixel, and more than the
# caches hold takes a third longer.
_BATCH_PIXELS = {"cpu": 2**16, "cuda": 2**22}
_MOST_WORKERS = 8


@dataclass
class Measured:
    """What was measured, of all candidates on the same pictures.

    Attributes:
        values: candidate, metric and picture to a value, never NaN.
        problems: what could not be measured, and why: a picture, or a measure of one.
        failed: the pictures among these, of which nothing could be measured.
        made: what networks made, to look at it again: by picture and candidate, in 8 bits.
        room: bytes that are left for that.
    """

    values: dict[str, dict[str, dict[str, float]]]
    problems: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    made: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    room: int = 2**29

    def keep(self, picture: str, made: Mapping[str, Tensor]) -> None:
        """Keep what networks made of a picture, if there is room."""
        size = sum(output.numel() for output in made.values())
        if 0 < size <= self.room:
            self.room -= size
            self.made[picture] = {name: to_8_bits(output) for name, output in made.items()}

    def leave_out(self, picture: str, error: Exception) -> None:
        """Note that a picture could not be measured."""
        self.failed.append(picture)
        self.problems[picture] = _why(error)

    def leave_out_measure(self, picture: str, measure: MetricFunction, why: str) -> None:
        """Note that a measure of a picture could not be had, of one candidate or more: then of none."""
        self.problems[f"{picture}: {measure.metric.label}"] = why
        for by_metric in self.values.values():
            by_metric[measure.metric.key].pop(picture, None)


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
                if completed := list(_completed(plan, batch, measured)):
                    _measure(pool, plan, completed, measured)
                done += len(completed)
                progress(done + len(measured.failed), len(tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return measured


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
    except Exception as error:  # no single file ends a run
        measured.leave_out(name, error)


def _completed(plan: Plan, batch: Sequence[Loaded], measured: Measured) -> Iterator[Loaded]:
    """Yield the pictures with what networks make of them, once; name those of which one makes nothing."""
    for loaded in batch:
        try:
            whole = complete(loaded, plan.candidates)
        except Exception as error:  # as above
            measured.leave_out(loaded.task.name, error)
            continue
        measured.keep(loaded.task.name, {n: output for n, output in whole.outputs.items() if n not in loaded.outputs})
        yield whole


def _batches(pictures: Iterable[Loaded], device: str) -> Iterator[list[Loaded]]:
    """Put successive pictures of one size together, up to a number of pixels."""
    most = _BATCH_PIXELS["cuda"] if device == "cuda" else _BATCH_PIXELS["cpu"] * torch.get_num_threads()
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
    """Measure pictures of one size: what takes them one by one in the threads, meanwhile the networks here."""
    jobs = [(loaded, pool.submit(_one_by_one, plan, loaded)) for loaded in batch]
    names = [loaded.task.name for loaded in batch]
    target = torch.cat([loaded.target for loaded in batch]).to(plan.device)
    weight = None if batch[0].mask is None else batch[0].mask.to(plan.device)
    outputs = {c.name: torch.cat([loaded.outputs[c.name] for loaded in batch]) for c in plan.candidates}
    for measure in plan.measures:
        if not measure.one_by_one:
            try:
                _check_memory(measure, target)
                with torch.inference_mode():
                    values = measure.beside(target, plan.convention, weight=weight, masking=plan.masking)
                    each = {name: values(output.to(plan.device)).tolist() for name, output in outputs.items()}
            except Exception as error:  # no single file ends a run
                for name in names:
                    measured.leave_out_measure(name, measure, _why(error))
            else:
                for number, name in enumerate(names):
                    _enter(measured, measure, name, {candidate: found[number] for candidate, found in each.items()})
    for loaded, job in jobs:
        found = job.result()
        for measure, by_candidate in found.items():
            if isinstance(by_candidate, Exception):
                measured.leave_out_measure(loaded.task.name, measure, _why(by_candidate))
            else:
                _enter(measured, measure, loaded.task.name, by_candidate)


def _enter(measured: Measured, measure: MetricFunction, picture: str, values: Mapping[str, float]) -> None:
    """Enter the values of all candidates on one picture; one that is not a number leaves out all."""
    odd = [name for name, value in values.items() if math.isnan(value)]
    if odd:
        measured.leave_out_measure(picture, measure, f"not a number (NaN) for {' and '.join(odd)}")
        return
    for candidate, value in values.items():
        measured.values[candidate][measure.metric.key][picture] = value


def _why(error: Exception) -> str:
    """Return why something could not be measured, in one line."""
    if isinstance(error, InputError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())


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


def _one_by_one(plan: Plan, loaded: Loaded) -> dict[MetricFunction, dict[str, float] | Exception]:
    """Measure one picture of every candidate by what takes pictures so, or say why that cannot be had.

    What several measures see alike, such as the luminance, is made once.
    """

    @cache
    def seen(name: str | None, measure: MetricFunction) -> Tensor:
        return measure.view(loaded.target if name is None else loaded.outputs[name], plan.convention, loaded.grey)

    values: dict[MetricFunction, dict[str, float] | Exception] = {}
    alike: dict[tuple[bool, bool | None], MetricFunction] = {}
    for measure in plan.measures:
        if measure.one_by_one:
            first = alike.setdefault((measure.by_pixels, measure.y_channel), measure)
            try:
                _check_memory(measure, loaded.target)
                with torch.inference_mode():
                    target = seen(None, first)
                    mask = measure.mask_of(loaded.mask, loaded.target, target, plan.convention, plan.masking)
                    compare = measure.between(target, mask)
                    values[measure] = {name: float(compare(seen(name, first))) for name in loaded.outputs}
            except Exception as error:  # no single file ends a run
                values[measure] = error
    return values


def _size(task: Task) -> tuple[int, int]:
    """Return (height, width) from the header of a target; (0, 0) where it has none, which shows when it is read."""
    try:
        return picture_size(task.target)
    except Exception:  # as above
        return 0, 0
