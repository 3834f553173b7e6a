"""Measure folders of pictures and networks against targets, and say what is better and what is noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from perceptualloss.apply.device import find_device
from perceptualloss.data.masks import Masks, MaskSource
from perceptualloss.errors import InputError, check_idle
from perceptualloss.losses.mask import Masking
from perceptualloss.metrics import protocol as conventions
from perceptualloss.metrics.metric import Metric
from perceptualloss.metrics.registry import at_hand, metric_function
from perceptualloss.studies.evaluate.candidates import Loaded, complete, line_up, load, open_networks
from perceptualloss.studies.evaluate.measuring import Plan, measure_all
from perceptualloss.studies.evaluate.results import Evaluation, Mean, sentence
from perceptualloss.studies.evaluate.statistics import Paired, bootstrap_interval, compare_paired
from perceptualloss.vocabulary import Backend, Device, Precision

Values = Mapping[str, Mapping[str, Mapping[str, float]]]
Progress = Callable[[int, int], None]


def evaluate(
    outputs: Sequence[Path],
    targets: Path,
    *,
    networks: Sequence[str] = (),
    scale: int | None = None,
    protocol: Literal["sr", "course", "rgb"] | None = None,
    metrics: Sequence[str] | None = None,
    crop_border: int | None = None,
    masks: MaskSource | None = None,
    masking: Masking = "area",
    suffix: Sequence[str] = (),
    device: Device = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    backend: Backend = "torch",
    workers: int | None = None,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Evaluation:
    """Measure candidates on the same pictures, and compare each with the first one.

    A candidate is a file, a folder of pictures, or a network. All are measured against the same targets.

    Args:
        outputs: candidates: picture files, or folders whose pictures have the targets' names, but for common suffixes
            such as ``_SR`` or ``x4``.
        targets: the picture or folder that they are measured against.
        networks: more candidates: saved networks, names of those that ship, "bicubic" or "bilinear". They get the
            targets shrunk to 1/scale (bicubic, 8 bits) and enlarge them as :func:`perceptualloss.upscale` does. What a
            PNG of the result holds is measured.
        scale: how many times larger than their inputs the outputs are; by default the networks' own.
        protocol: "sr" (luminance, without a border of scale pixels, 8 bits), "course" (RGB in [0, 1], neither border
            nor rounding) or "rgb" (RGB, 8 bits, no border); by default "sr" where a scale is known, else "rgb".
        metrics: names with parameters (see :func:`perceptualloss.metrics.registry.metric_function`); by default the
            protocol's, with LPIPS, ST-LPIPS and SSIMULACRA 2 where their weights and packages are at hand.
        crop_border: another border than the protocol's, in pixels at each side.
        masks: which pixels count: "alpha" for the targets' transparency, or a folder with grey pictures of their names
            and sizes, white where a pixel counts; by default all count.
        masking: what a mask means. "area": a position of a network counts as much as the pixels under it. "exact": only
            those count that see white pixels alone.
        suffix: what else stands behind the outputs' names, before the ending, such as ``_mymodel``.
        device: where networks run: "auto", "cpu", "cuda" or "mps".
        precision: of networks that make pictures: "fp32", or "bf16" and "fp16" with layers in 16 bits; "auto" is fp16
            on CUDA, else fp32.
        tile: longest side of the tiles of large pictures, in input pixels; by default it is chosen.
        backend: what runs networks: "torch", or "onnx" for onnxruntime (see :func:`perceptualloss.upscale`).
        workers: threads that read pictures; by default one for each core, at most 8.
        seed: the seed of the bootstrap, which gives the intervals.
        progress: is called with the number of pictures that are done, and of all.

    Returns:
        The values of every picture, their means with intervals, and the differences to the first candidate.

    Raises:
        InputError: for files that do not pair, unknown names, weights that cannot be had, or if no picture at all could
            be measured.
    """
    if not networks:
        check_idle(
            {"precision": precision, "tile": tile, "backend": backend},
            {"precision": "auto", "tile": None, "backend": "torch"},
            "without networks",
        )
    if not outputs:
        check_idle({"suffix": list(suffix)}, {"suffix": []}, "without outputs")
    place = str(find_device(device))
    opened, scale = open_networks(networks, scale, place, precision, tile, backend)
    for kind, number in (("scale to be a whole number,", scale), ("workers to be", workers)):
        if number is not None and number < 1:
            raise InputError(f"{kind} 1 or more", f"{number}")
    if protocol in ("rgb", "course") and not networks:
        check_idle({"scale": scale}, {"scale": None}, f"with the protocol {protocol} and without networks")
    protocol = protocol or ("sr" if scale is not None else "rgb")
    convention = conventions.protocol(protocol, scale, crop_border)
    names, missing = (list(metrics), {}) if metrics else at_hand(protocol)
    if len(set(names)) < len(names):
        raise InputError("different metrics", " ".join(names))
    measures = [metric_function(name) for name in names]
    if masks is None:
        check_idle({"masking": masking}, {"masking": "area"}, "without masks")
    elif metrics:
        for measure in measures:
            measure.check_masks()
    else:
        missing |= {m.metric.key: f"{m.metric.label} takes no mask" for m in measures if not m.masks}
        measures = [measure for measure in measures if measure.masks]
    line = line_up(outputs, targets, opened, suffix)
    own = None if masks is None else Masks(masks, [task.target for task in line.tasks])
    plan = Plan(line.candidates, measures, convention, scale, place, workers, own, masking)
    result = measure_all(plan, line.tasks, progress)
    if not any(values for by_metric in result.values.values() for values in by_metric.values()):
        raise InputError("pictures that can be measured", "none", next(iter(result.problems.values()), ""))
    tasks = {task.name: task for task in line.tasks}

    def look(name: str) -> Loaded:
        if name not in result.made:
            return complete(load(tasks[name], scale, plan.shrink), line.candidates)
        loaded = load(tasks[name], scale, shrink=False)
        height, width = next(iter(result.made[name].values())).shape[-2:]
        cut = {key: output[..., :height, :width] for key, output in loaded.outputs.items()}
        cut |= {key: output / 255 for key, output in result.made[name].items()}
        return replace(loaded, target=loaded.target[..., :height, :width], outputs=cut)

    kinds = [measure.metric for measure in measures]
    pairs = _against_first(result.values, kinds, seed)
    settings = {"targets": str(targets), "protocol": f"{protocol}: {convention.words}"}
    settings |= {"scale": str(scale)} if scale else {}
    settings |= {"masks": f"{masks}, {masking}"} if masks else {}
    settings |= {"suffix": " ".join(suffix)} if suffix else {}
    if networks:
        settings |= {"precision": precision} | ({"tile": str(tile)} if tile else {})
        settings |= {"backend": backend} if backend != "torch" else {}
    versions = ", ".join(f"{name} {version(name)}" for name in ("perceptualloss", "torch"))
    return Evaluation(
        metrics=kinds,
        values=result.values,
        means={name: {m.key: _mean(v[m.key], seed) for m in kinds} for name, v in result.values.items()},
        pairs=pairs,
        convention=convention.words,
        look=look,
        settings=settings | {"device": place, "versions": versions},
        missing=missing,
        unmatched=line.unmatched,
        problems=result.problems,
        failed=result.failed,
        verdict=_verdict(pairs, line.candidates[0].name, kinds),
    )


def _against_first(values: Values, metrics: Sequence[Metric], seed: int) -> dict[str, dict[str, Paired]]:
    """Compare every candidate after the first with the first one, by every metric."""
    (_, first), *others = values.items()
    paired: dict[str, dict[str, Paired]] = {}
    for name, mine in others:
        paired[name] = {}
        for metric in metrics:
            pictures = list(mine[metric.key])  # all candidates have the same
            a, b = ([each[metric.key][picture] for picture in pictures] for each in (mine, first))
            paired[name][metric.key] = compare_paired(a, b, metric.higher_is_better, seed)
    return paired


def _verdict(pairs: Mapping[str, Mapping[str, Paired]], first: str, metrics: Sequence[Metric]) -> list[str]:
    """Say in a sentence each how every other candidate compares with the first one."""
    return [
        sentence(metric, name, first, by_metric[metric.key])
        for name, by_metric in pairs.items()
        for metric in metrics
        if by_metric[metric.key].pictures
    ]


def _mean(values: Mapping[str, float], seed: int) -> Mean:
    numbers = list(values.values())
    finite = [number for number in numbers if math.isfinite(number)]
    return Mean(
        sum(numbers) / len(numbers) if numbers else math.nan,
        *bootstrap_interval(numbers, seed),
        infinite=len(numbers) - len(finite),
        rest=sum(finite) / len(finite) if finite else math.nan,
    )
