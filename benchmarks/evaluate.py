"""Measures of many pictures: perceptualloss evaluate against plain loops, side by side in one run.

    python benchmarks/evaluate.py [--pictures 100] [--size 256] [--net alex|vgg|squeeze] [--candidates 1] [--rounds 3]
    python benchmarks/evaluate.py --all [--pictures 6] [--candidates 3]

The loops open one pair after the other, as scripts do: scikit-image with the lpips package, and torchmetrics alone,
both in RGB and without a graph. With --all it is everything that evaluate reports in RGB where all is at hand (PSNR,
SSIM, LPIPS, ST-LPIPS by two networks, SSIMULACRA 2, the embedded judge): against a loop over the packages that have
it (scikit-image, lpips, stlpips-pytorch, ssimulacra2), and against one that calls this package's functions one by
one. All begin with the same PNG files and the same random weights of the backbone, which speed does not depend on; no
download. Pictures are pieces of --photos, or of noise without it. Needs an idle machine, lpips and torchmetrics.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import alexnet, squeezenet1_1, vgg16

from loss_network_photos import PHOTOS
from perceptualloss import perceptual_distance, psnr, ssim, ssimulacra2, st_lpips
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.evaluate.evaluate import evaluate
from processor import clock_of
from timing import Row, compared, in_turn, print_rows

BACKBONES: dict[str, Callable[..., nn.Module]] = {"alex": alexnet, "squeeze": squeezenet1_1, "vgg": vgg16}
ALL = ("st_lpips_alex", "st_lpips_vgg", "ssimulacra2", "perceptual_distance")  # beside PSNR, SSIM and LPIPS
EVALUATE, PACKAGES, FUNCTIONS = "`perceptualloss evaluate`", "a loop over packages", "a loop over our functions"
GOAL = 2.0
Means = list[float]
Pair = tuple[Path, Path]


def make_pictures(folder: Path, data: Path | None, count: int, size: int, candidates: int) -> None:
    """Write targets and candidates, shrunk and enlarged ever more, as PNG."""
    files = picture_files(data) if data else []
    for name in ("targets", *map(str, range(candidates))):
        (folder / name).mkdir()
    for number in range(count):
        picture = read_image(files[number % len(files)]) if files else torch.rand(1, 3, size, size)
        target = picture[..., :size, :size]
        write_image(target, folder / "targets" / f"{number:04d}.png")
        for candidate in range(candidates):
            output = resize(resize(target, 1 / (2 + candidate)), size=(target.shape[-2], target.shape[-1]))
            write_image(output, folder / str(candidate) / f"{number:04d}.png")


def pairs(folder: Path, candidates: int) -> Iterator[tuple[int, Pair]]:
    for candidate in range(candidates):
        for target in sorted((folder / "targets").iterdir()):
            yield candidate, (folder / str(candidate) / target.name, target)


def by_evaluate(folder: Path, candidates: int, net: str, file: Path, more: Sequence[str] = ()) -> Means:
    metrics = ["psnr", "ssim", f"lpips-{net}:weights={file}", *more]
    outputs = [folder / str(candidate) for candidate in range(candidates)]
    found = evaluate(outputs, folder / "targets", protocol="rgb", metrics=metrics)
    return [found.means[str(c)][metric].value for c in range(candidates) for metric in metrics]


def read(file: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(file).convert("RGB"))


def tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def mean_values(values: dict[int, list[list[float]]]) -> Means:
    return [float(mean) for each in values.values() for mean in np.mean(each, axis=0)]


def by_scikit_image(
    folder: Path, candidates: int, distance: nn.Module, more: Sequence[Callable[[Pair, Tensor, Tensor], float]] = ()
) -> Means:
    """Measure as a script does: PSNR and SSIM, LPIPS, and what else is to be measured of files and tensors."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity  # noqa: PLC0415 (only here)

    values: dict[int, list[list[float]]] = {}
    for candidate, files in pairs(folder, candidates):
        output, target = map(read, files)
        psnr = peak_signal_noise_ratio(target, output)  # type: ignore[no-untyped-call]
        ssim = structural_similarity(  # type: ignore[no-untyped-call]
            target, output, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        x, y = tensor(output), tensor(target)
        with torch.no_grad():
            others = [float(distance(x, y, normalize=True)), *(measure(files, x, y) for measure in more)]
        values.setdefault(candidate, []).append([float(psnr), float(ssim), *others])
    return mean_values(values)


def packages() -> list[Callable[[Pair, Tensor, Tensor], float]]:
    """Return ``ALL`` as other packages have them; the embedded judge is ours alone."""
    for name in ("IPython", "torchsummary"):  # which stlpips-pytorch imports and does not use
        sys.modules.setdefault(name, MagicMock())
    from ssimulacra2 import compute_ssimulacra2  # noqa: PLC0415 (only here)
    from stlpips_pytorch import stlpips  # noqa: PLC0415 (for comparison alone)

    networks = [
        stlpips.LPIPS(net=net, variant="shift_tolerant", verbose=False).eval().requires_grad_(False)
        for net in ("alex", "vgg")
    ]
    tolerant = [lambda _, x, y, n=network: float(n(2 * x - 1, 2 * y - 1)) for network in networks]
    return [
        *tolerant,
        lambda files, *_: float(compute_ssimulacra2(files[1], files[0])),
        lambda _, x, y: float(perceptual_distance(x, y)),
    ]


def by_functions(folder: Path, candidates: int, loss: LPIPS) -> Means:
    """Measure with this package's functions, as one would write it down."""
    values: dict[int, list[list[float]]] = {}
    for candidate, (output_file, target_file) in pairs(folder, candidates):
        output, target = read_image(output_file), read_image(target_file)
        with torch.no_grad():
            found = [
                psnr(output, target),
                ssim(output, target),
                loss(output, target),
                st_lpips(output, target),
                st_lpips(output, target, "vgg"),
                ssimulacra2(output, target),
                perceptual_distance(output, target),
            ]
        values.setdefault(candidate, []).append([float(value) for value in found])
    return mean_values(values)


def by_torchmetrics(folder: Path, candidates: int, distance: nn.Module) -> Means:
    from torchmetrics.functional.image import (  # noqa: PLC0415 (only here)
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    values: dict[int, list[list[float]]] = {}
    with torch.no_grad():
        for candidate, (output_file, target_file) in pairs(folder, candidates):
            output, target = tensor(read(output_file)), tensor(read(target_file))
            psnr = peak_signal_noise_ratio(output, target, data_range=1.0)
            ssim = structural_similarity_index_measure(output, target, data_range=1.0)
            assert isinstance(ssim, Tensor)
            lpips = distance(output, target, normalize=True)
            values.setdefault(candidate, []).append([float(psnr), float(ssim), float(lpips)])
    return mean_values(values)


def lpips_networks(net: str, file: Path) -> tuple[nn.Module, nn.Module]:
    """Write random weights of the backbone, and return the LPIPS of the lpips package and of torchmetrics with them."""
    warnings.simplefilter("ignore")
    import lpips  # type: ignore[import-untyped]  # noqa: PLC0415 (only here)
    from torchmetrics.functional.image.lpips import _LPIPS  # noqa: PLC0415 (the class has no other name)

    torch.manual_seed(0)
    features = BACKBONES[net](weights=None).get_submodule("features")
    save_file({f"features.{key}": value for key, value in features.state_dict().items()}, file)
    theirs: tuple[nn.Module, nn.Module] = (
        lpips.LPIPS(net=net, pnet_rand=True, verbose=False),
        _LPIPS(net=net, pnet_rand=True).eval(),  # type: ignore[arg-type] # one of three names
    )
    state = features.state_dict()
    for module in theirs:
        for name, part in module.get_submodule("net").named_children():
            if name.startswith("slice"):
                for each in part if isinstance(part, nn.ModuleList) else [part]:
                    each.load_state_dict({key: state[key] for key in each.state_dict()})
    return theirs


def loops(folder: Path, candidates: int, net: str, file: Path, everything: bool) -> dict[str, Callable[[], Means]]:
    """Return what is compared, by name."""
    scikit_image, torchmetrics = lpips_networks(net, file)
    if not everything:
        return {
            EVALUATE: lambda: by_evaluate(folder, candidates, net, file),
            "a loop over scikit-image and lpips": lambda: by_scikit_image(folder, candidates, scikit_image),
            "a loop over torchmetrics": lambda: by_torchmetrics(folder, candidates, torchmetrics),
        }
    more, own = packages(), LPIPS(net, weights=file)  # type: ignore[arg-type] # one of three names
    return {
        EVALUATE: lambda: by_evaluate(folder, candidates, net, file, ALL),
        PACKAGES: lambda: by_scikit_image(folder, candidates, scikit_image, more),
        FUNCTIONS: lambda: by_functions(folder, candidates, own),
    }


def rows(
    pictures: int = 24,
    size: int = 256,
    net: str = "alex",
    candidates: int = 3,
    rounds: int = 2,
    photos: Path | None = PHOTOS,
    everything: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Row]:
    """Return evaluate's time beside the loops', and print how far the means are apart."""
    found: dict[str, Means] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder, photos, pictures, size, candidates)
        measured = loops(folder, candidates, net, folder / "backbone.safetensors", everything)

        def keep(name: str) -> Callable[[], None]:
            return lambda: found.update({name: measured[name]()})

        times = in_turn({name: keep(name) for name in measured}, rounds, clock)
    for name, means in found.items():
        apart = np.abs(np.subtract(means, found[EVALUATE])).max()
        print(f"means of {name} are apart by at most {apart:.1e}", file=sys.stderr)
    what = "7 measures" if everything else f"PSNR, SSIM and LPIPS ({net})"
    each = f"evaluation: {what} of {pictures} pictures of {size} x {size}, candidates: {candidates}"
    return [replace(row, goal=GOAL) for row in compared(each, times, EVALUATE)]


def main() -> None:
    """Print pictures per second, ratios and how far the values are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--net", choices=list(BACKBONES), default="alex")
    parser.add_argument("--candidates", type=int, default=1, help="folders measured against the same targets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--all", action="store_true", help="everything that evaluate reports, against two loops")
    parser.add_argument("--threads", type=int, help="1 counts what the process computed")
    options = parser.parse_args()
    clock = clock_of(options.threads, process=True)
    size, net, count = options.size, options.net, options.candidates
    found = rows(options.pictures, size, net, count, options.rounds, options.photos, options.all, clock)
    print_rows(found)
    for name, value in {EVALUATE: found[0].ours, **{row.peer: row.other for row in found}}.items():
        print(f"{name}: {options.pictures * count / value:.2f} pictures a second")


if __name__ == "__main__":
    main()
