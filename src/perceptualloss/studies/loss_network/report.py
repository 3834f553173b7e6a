"""The report of a trained loss network: how its distance agrees with what is known, and what it has learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median_low
from typing import Any

import torch
from torch import Tensor, nn

from perceptualloss.data.decoding import middle
from perceptualloss.data.distortions import STRENGTHS
from perceptualloss.data.folder import Photos, builtin_photos, split_files
from perceptualloss.drawing.cells import to_picture
from perceptualloss.drawing.page import lossless, render_page, themed, uri
from perceptualloss.features.architectures import ARCHITECTURES, layers_before_pooling
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.weight_files import read_features
from perceptualloss.files import write_json
from perceptualloss.pictures.listing import picture_files
from perceptualloss.studies.loss_network.agreement import (
    Distance,
    NetworkDistance,
    equal_psnr,
    ladders,
    mean_agreement,
    mean_squared_error,
    measure,
    random_distance,
)
from perceptualloss.studies.loss_network.figures import RANDOM, SQUARED, THIS, NetworkReport, Row, percent
from perceptualloss.studies.loss_network.plots import (
    describe_kind,
    distance_colours,
    draw_distances,
    draw_kind,
    filter_tiles,
    relative,
    strongest_maps,
    write_sheet,
)

PHOTOS, SIZE = 6, 160  # of the middle pieces: enough to tell networks apart, and less than a minute on two cores
DRAWS = 3  # of random weights: at equal PSNR one draw may be 20% from the next


def report_photos(photos: Path | None, validation: float) -> dict[str, Tensor]:
    """Return middle pieces of the photos to report on by name, each (3, size, size) in [0, 1]; at most six.

    They are taken evenly from those of the folder ``photos`` that stay out of the training, else from the built-in
    ones. The size is at most 160 pixels, less where most photos are smaller; still smaller ones are left out.

    Raises:
        InputError: no photo stays out, or none of those can be read.
    """
    files = builtin_photos() if photos is None else split_files(picture_files(photos), validation)[1]
    count = min(PHOTOS, len(files))
    chosen = Photos(files[i * (len(files) - 1) // max(1, count - 1)] for i in range(count))
    size = min(SIZE, median_low(min(photo.shape[1:]) for photo in chosen))
    pieces = {
        str(file.stem): middle(photo.float() / 255, size) for file, photo in zip(chosen.files, chosen, strict=True)
    }
    return {name: piece for name, piece in pieces.items() if piece.shape[1:] == (size, size)}


def report_network(
    architecture: str,
    weights: Path,
    photos: Mapping[str, Tensor],
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> NetworkReport:
    """Measure a loss network and write ``report.html``, ``metrics.json``, ``distances.png`` and ``features/``.

    It is compared with a random network of the same shape (mean of three draws) and with mean squared error. The
    distance of a network: unit-normalised channels, squared differences, geometric mean over the layers before
    each pooling.

    Args:
        architecture: "compact" or "judge".
        weights: the network's file.
        photos: by name, all of one shape (3, H, W), in [0, 1]; :func:`report_photos` gives some.
        folder: for everything that is written; made if missing.
        settings: what the reader should know about the training, by name.
        command: the line that runs the training again.
        say: is called with a line of text before each stage.

    Raises:
        InputError: for weights that are not of this architecture.
    """
    features = ARCHITECTURES[architecture]()
    features.load_state_dict(read_features(weights, features.state_dict()))
    layers = layers_before_pooling(architecture)
    say(f"Distorting {len(photos)} photos in {len(STRENGTHS)} ways")
    pieces = torch.stack([*photos.values()])
    distorted, equal = ladders(list(pieces)), [equal_psnr(piece) for piece in pieces]
    distances: dict[str, list[Distance]] = {
        THIS: [NetworkDistance(LossNetwork(features, layers))],
        RANDOM: [random_distance(architecture, layers, seed) for seed in range(DRAWS)],
        SQUARED: [mean_squared_error],
    }
    agreements = {}
    for name, draws in distances.items():
        say(f"Measuring {name}" + (f", {len(draws)} draws" if len(draws) > 1 else ""))
        agreements[name] = mean_agreement([measure(distance, pieces, distorted, equal) for distance in draws])
    facts = {
        **(settings or {}),
        "layers_of_the_distance": ", ".join(layers),
        "photos_of_the_report": f"{', '.join(photos)}; the middle {pieces.shape[3]} \N{MULTIPLICATION SIGN} "
        f"{pieces.shape[2]} pixels",
        "versions": ", ".join(f"{name} {version(name)}" for name in ("perceptualloss", "torch")),
    }
    report = NetworkReport(f"What {weights.stem} has learned to see", agreements, list(photos), facts, command)
    say("Drawing the report")
    _write(report, features, *next(iter(photos.items())), folder)
    return report


def render_network_report(report: NetworkReport, features: nn.Sequential, name: str, photo: Tensor) -> str:
    """Give the report as HTML text; the features are drawn for ``photo``, (3, H, W) in [0, 1]."""
    distances = _distances(report)
    plots = [themed(partial(draw_kind, distances, kind), describe_kind(distances, kind)) for kind in distances[THIS]]
    return render_page(
        "loss_network.html.jinja",
        title=report.title,
        report=report,
        colours=distance_colours(len(distances)),
        rows=[_cells(row) for row in report.rows],
        kinds=[_cells(row) for row in report.kinds],
        plots=plots,
        filters=[_embedded(tile) for tile in filter_tiles(features)],
        photo={"name": name, **_embedded(photo)},
        layers=[
            {"maps": layer, "pictures": [_embedded(grey) for grey in layer.maps]}
            for layer in strongest_maps(features, photo)
        ],
    )


def _write(report: NetworkReport, features: nn.Sequential, name: str, photo: Tensor, folder: Path) -> None:
    write_json(asdict(report) | {"verdict": report.verdict}, folder / "metrics.json")
    draw_distances(_distances(report)).savefig(folder / "distances.png", metadata={"Software": None})
    write_sheet(filter_tiles(features), folder / "features" / "filters.png")
    for layer in strongest_maps(features, photo):
        write_sheet(layer.maps, folder / "features" / f"{layer.layer}.png")
    page = render_network_report(report, features, name, photo)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _distances(report: NetworkReport) -> dict[str, dict[str, list[float]]]:
    return {name: relative(agreement.means) for name, agreement in report.agreements.items()}


def _cells(row: Row) -> dict[str, Any]:
    """Give a row as the pages' table takes it."""
    cells = [{"text": percent(value), "best": name in row.best} for name, value in row.values.items()]
    return {"title": row.title, "direction": "", "cells": cells, "note": row.note}


def _embedded(picture: Tensor) -> dict[str, Any]:
    """Embed a picture (3, H, W) without loss."""
    return {"uri": uri(lossless(to_picture(picture[None]))), "size": (picture.shape[2], picture.shape[1])}
