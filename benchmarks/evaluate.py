"""PSNR + SSIM + LPIPS of many pictures: perceptualloss evaluate against plain loops, side by side in one run.

    python benchmarks/evaluate.py [--pictures 100] [--size 256] [--net alex|vgg|squeeze] [--candidates 1] [--rounds 3]

The loops open one pair after the other, as scripts do: scikit-image with the lpips package, and torchmetrics alone,
both in RGB and without a graph. All begin with the same PNG files and the same random weights of the backbone, which
speed does not depend on; no download. Pictures are pieces of --photos, or of noise without it. Needs an idle machine,
lpips and torchmetrics.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import alexnet, squeezenet1_1, vgg16

from loss_network_photos import PHOTOS
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.evaluate.evaluate import evaluate
from timing import side_by_side

BACKBONES: dict[str, Callable[..., nn.Module]] = {"alex": alexnet, "squeeze": squeezenet1_1, "vgg": vgg16}
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


def by_evaluate(folder: Path, candidates: int, net: str, file: Path) -> Means:
    metrics = ["psnr", "ssim", f"lpips-{net}:weights={file}"]
    outputs = [folder / str(candidate) for candidate in range(candidates)]
    found = evaluate(outputs, folder / "targets", protocol="rgb", metrics=metrics)
    return [found.means[str(c)][metric].value for c in range(candidates) for metric in metrics]


def read(file: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(file).convert("RGB"))


def tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def mean_values(values: dict[int, list[list[float]]]) -> Means:
    return [float(mean) for each in values.values() for mean in np.mean(each, axis=0)]


def by_scikit_image(folder: Path, candidates: int, distance: nn.Module) -> Means:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity  # noqa: PLC0415 (only here)

    values: dict[int, list[list[float]]] = {}
    for candidate, (output_file, target_file) in pairs(folder, candidates):
        output, target = read(output_file), read(target_file)
        psnr = peak_signal_noise_ratio(target, output)  # type: ignore[no-untyped-call]
        ssim = structural_similarity(  # type: ignore[no-untyped-call]
            target, output, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        with torch.no_grad():
            lpips = float(distance(tensor(output), tensor(target), normalize=True))
        values.setdefault(candidate, []).append([float(psnr), float(ssim), lpips])
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


def main() -> None:
    """Print pictures per second, ratios and how far the values are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--net", choices=list(BACKBONES), default="alex")
    parser.add_argument("--candidates", type=int, default=1, help="folders measured against the same targets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name), Path(name) / "backbone.safetensors"
        make_pictures(folder, options.photos, options.pictures, options.size, options.candidates)
        scikit_image, torchmetrics = lpips_networks(options.net, file)
        found: dict[str, Means] = {}

        def keep(name: str, measure: Callable[[], Means]) -> Callable[[], None]:
            return lambda: found.update({name: measure()})

        count = options.candidates
        seconds = side_by_side(
            {
                name: keep(name, measure)
                for name, measure in {
                    "perceptualloss evaluate": lambda: by_evaluate(folder, count, options.net, file),
                    "loop: scikit-image + lpips": lambda: by_scikit_image(folder, count, scikit_image),
                    "loop: torchmetrics": lambda: by_torchmetrics(folder, count, torchmetrics),
                }.items()
            },
            options.rounds,
        )
    ours = "perceptualloss evaluate"
    for name, value in seconds.items():
        rate, apart = options.pictures * count / value, np.abs(np.subtract(found[name], found[ours])).max()
        ratio = value / seconds[ours]
        print(f"{name:28s} {rate:7.2f} pictures/s   {ratio:5.2f} x the time   means apart by at most {apart:.1e}")


if __name__ == "__main__":
    main()
