"""Fill the tables of the README and the documentation from what is measured now, so that no figure is typed.

    python benchmarks/tables.py [--check | --keep-times]  fill what stands between <!-- table: NAME --> and <!-- end -->
    python benchmarks/tables.py --print NAME              show a table without writing it

Tables:

- bicubic: plain interpolation on Set5 and Set14 against the published figures;
- upscalers-SET: every upscaler that ships, against bicubic, on one of the same sets;
- perception: what --perception gives between the MSE and the perceptual one, on Set14;
- flicker: what losses see of errors that come and go (``flicker.py``), on a photo that scikit-image ships;
- lattice: the strongest ripple in smooth areas (``lattice.py``), on Set14 and the validation photos;
- restoration: what the restorers that ship make of damaged photos (``restoration.py``);
- effect-NAME, cost-NAME, loss-costs: what a loss does alone and costs, as ``loss_effects.py`` found it last;
- card-NAME: one of the upscalers or restorers, for its card beside its file;
- upscaler-times: milliseconds per megapixel of the result on this machine, side by side (--check leaves it alone);
- inference: megapixels a second of PyTorch and onnxruntime (``inference.py``), on this machine (likewise).

--check writes nothing and fails where a file is out of date; --keep-times is for a machine with other work. The
measures from outside take the extra ``metrics``, and about 25 minutes on an idle core. The sets lie in --benchmarks,
as SET/image_SRF_SCALE/*_HR.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

import flicker
import inference
import lattice
import loss_effects
import restoration
from filling import ROOT, Tables, fill, markdown
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.doctor.machine import has_instructions
from perceptualloss.errors import InputError, check_choice
from perceptualloss.metrics.metric import format_value
from perceptualloss.metrics.protocol import Convention
from perceptualloss.metrics.registry import list_metrics, metric_function
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Upscale2x, Upscale4x
from perceptualloss.networks.named import (
    FOLDER,
    KINDS,
    NetworkCard,
    blend,
    list_networks,
    load_network,
    shipped,
    shipped_restorers,
)
from perceptualloss.networks.registry import NETWORKS
from perceptualloss.pictures.pairing import target_files
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.evaluate.candidates import Task, load
from perceptualloss.studies.evaluate.evaluate import evaluate
from perceptualloss.studies.evaluate.results import Evaluation, best
from perceptualloss.vocabulary import Precision
from published import BICUBIC
from timing import side_by_side

SHARED = Path(os.environ.get("PERCEPTUALLOSS_SHARED", ROOT.parent / "shared"))
# Which speed.py --write, licences.py, network_effects.py, network_costs.py and outside_upscalers.py fill, not this.
NETWORK_COSTS = ("networks", "critic-costs", *(f"network-{name}" for name in NETWORKS))
ELSEWHERE = ("speed", "weights", "packages", "network-effects", "outside-x4", "outside-x2", *NETWORK_COSTS)
SETS = ("Set5", "Set14")
METRICS = tuple(name for name in list_metrics("sr") if not name.startswith("lpips"))  # whose weights few machines have
TIMED = ("upscaler-times", "inference", *ELSEWHERE)


def bicubic_table(benchmarks: Path) -> str:
    rows = []
    for (name, scale), (psnr, ssim) in BICUBIC.items():
        folder = set_folder(benchmarks, name, scale)
        found = evaluate([], folder, networks=["bicubic"], scale=scale, metrics=["psnr", "ssim"])
        ours = [found.means["bicubic"][key].value for key in ("psnr", "ssim")]
        early = luminance_alone(folder, scale)
        rows.append(
            [
                f"{name} x{scale}",
                f"{ours[0]:.2f} / {ours[1]:.4f}",
                f"{psnr:.2f} / {ssim:.4f}",
                f"{ours[0] - psnr:+.3f} / {ours[1] - ssim:+.4f}",
                f"{early[0]:.2f} / {early[1]:.4f}",
                f"{early[0] - psnr:+.3f} / {early[1] - ssim:+.4f}",
            ]
        )
    heads = ["PSNR (dB) / SSIM", "`--network bicubic`", "published", "difference"]
    return markdown([*heads, "as early evaluations did", "difference"], rows)


def luminance_alone(folder: Path, scale: int) -> tuple[float, float]:
    """Return mean PSNR and SSIM as early evaluations had them: of the luminance alone, shrunk without rounding."""
    seen, border = Convention(y_channel=True), Convention(crop_border=scale)
    totals = {"psnr": 0.0, "ssim": 0.0}
    files = target_files(folder)
    for file in files:
        picture = load(Task(file.stem, file, {}), scale, shrink=True)
        target = three(seen.pixels(picture.target, picture.grey))
        output = resize(resize(target, 1 / scale), scale)
        for name in totals:
            totals[name] += metric_function(name)(output, target, border).item()
    return totals["psnr"] / len(files), totals["ssim"] / len(files)


def three(grey: Tensor) -> Tensor:
    return grey.expand(-1, 3, -1, -1)


def upscaler_table(benchmarks: Path, name: str) -> str:
    """Bicubic and every shipped network at each of their scales, on a set; the best of each scale in bold."""
    rows: list[list[str]] = []
    heads: list[str] = []
    for scale, networks in upscalers().items():
        found = measured(benchmarks, name, scale)
        heads = [f"{m.title} {m.arrow}" for m in found.metrics]
        for candidate, label in zip(found.candidates, ["bicubic", *networks], strict=True):
            rows.append([f"{label} x{scale}", *mean_cells(found, candidate)])
    return markdown([name, *heads], rows)


def card_table(benchmarks: Path, scale: int, kind: str) -> str:
    """One network against bicubic on each set."""
    rows, heads = [], []
    place = 1 + list(upscalers()[scale]).index(kind)
    for name in SETS:
        found = measured(benchmarks, name, scale)
        heads = [f"{m.title} {m.arrow}" for m in found.metrics]
        for label, candidate in (("bicubic", found.candidates[0]), ("this network", found.candidates[place])):
            means = [format_value(m, found.means[candidate][m.key].value) for m in found.metrics]
            rows.append([f"{label}, {name}", *means])
    return markdown([f"x{scale}", *heads], rows)


def restorer_table(name: str, file: Path) -> str:
    """One restorer on what it is for."""
    return markdown(*restoration.rows({name: file}))


def upscalers() -> dict[int, dict[str, str]]:
    """Return the files of the upscalers that ship by scale and label: first those that ``upscale`` takes, by kind.

    The label of these is the kind; that of the others, which follow, is the name.
    """
    usual = set(shipped().values())
    files: dict[int, dict[str, str]] = {}
    for card in sorted(upscaler_cards(), key=lambda card: card.file not in usual):
        files.setdefault(card.scale, {})[label(card)] = str(card.file)
    if not files:
        raise InputError(f"trained networks in {FOLDER}", "none")
    return files


def upscaler_cards() -> list[NetworkCard]:
    return [card for card in list_networks() if card.kind in KINDS]


def label(card: NetworkCard) -> str:
    return card.kind if card.file in shipped().values() else card.name


@cache
def measured(benchmarks: Path, name: str, scale: int) -> Evaluation:
    """Measure bicubic and the upscalers on a set, once for all tables that show them."""
    return evaluate_all(set_folder(benchmarks, name, scale), ["bicubic", *upscalers()[scale].values()])


def evaluate_all(folder: Path, networks: Sequence[str]) -> Evaluation:
    """Measure networks as the sr protocol does, on every machine by the same measures."""
    return evaluate([], folder, networks=networks, metrics=METRICS)


def perception_table(benchmarks: Path) -> str:
    """Means over Set14 for five places between the MSE and the perceptual network of each scale."""
    amounts = (0.25, 0.5, 0.75)
    rows, heads = [], []
    with tempfile.TemporaryDirectory() as folder:
        for scale, networks in upscalers().items():
            mse, perceptual = (load_network(networks[kind]) for kind in ("mse", "perceptual"))
            files = [
                save_network(blend(mse, perceptual, amount), Path(folder) / f"{amount}.safetensors")
                for amount in amounts
            ]
            between = evaluate_all(set_folder(benchmarks, "Set14", scale), [str(file) for file in files])
            ends = measured(benchmarks, "Set14", scale)
            names = dict(zip(["bicubic", *networks], ends.candidates, strict=True))
            means = [ends.means[names["mse"]], *between.means.values(), ends.means[names["perceptual"]]]
            heads = [f"{m.title} {m.arrow}" for m in between.metrics]
            for amount, each in zip((0.0, *amounts, 1.0), means, strict=True):
                rows.append([f"x{scale}, {amount}", *(format_value(m, each[m.key].value) for m in between.metrics)])
    return markdown(["`--perception`", *heads], rows)


def times_table() -> str:
    """Milliseconds per megapixel of the result, in formats that are not emulated: bicubic, what ships, the course's."""
    precisions: list[Precision] = ["fp32", "bf16"] if has_instructions("bf16") else ["fp32"]
    rows = []
    for scale, networks in upscalers().items():
        low = torch.rand(1, 3, 1024 // scale, 1024 // scale)
        kinds: dict[str, nn.Module] = {
            "ships": load_network(next(iter(networks.values()))),
            "course's": {2: Upscale2x, 4: Upscale4x}[scale](),
        }
        functions: dict[str, Callable[[], object]] = {"bicubic": partial(resize, low, scale)}
        for name, network in kinds.items():
            for precision in precisions:
                functions[f"{name}, {precision}"] = partial(
                    transform_in_tiles, network.eval(), low, precision=precision
                )
        seconds = side_by_side(functions, 3)
        heads = [f"x{scale}", *seconds]
        rows.append([f"x{scale}", *(f"{1000 * value / 1024**2 * 1e6:.0f}" for value in seconds.values())])
    return markdown(["ms per megapixel", *heads[1:]], rows)


def lattice_table() -> str:
    """Return the lattice figures of the truth, bicubic and what ships; rasters are beside others', in outside.md."""
    rows = [row for scale in upscalers() for row in lattice.rows_of([lattice.SET14, lattice.PHOTOS], scale)]
    return markdown(["", "Set14", "20 validation photos"], [[name, *cells[::2]] for name, *cells in rows])


def mean_cells(found: Evaluation, candidate: str) -> list[str]:
    return [
        f"**{text}**" if candidate in best(metric, found.means) else text
        for metric in found.metrics
        for text in [format_value(metric, found.means[candidate][metric.key].value)]
    ]


def set_folder(benchmarks: Path, name: str, scale: int) -> Path:
    return benchmarks / name / f"image_SRF_{scale}"


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(FOLDER.glob("*.md"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    parser.add_argument("--keep-times", action="store_true", help="leave the tables of times as they are")
    parser.add_argument("--print", metavar="NAME", help="print one table")
    parser.add_argument(
        "--benchmarks", type=Path, default=SHARED / "data" / "benchmarks", help="the folder of the sets"
    )
    options = parser.parse_args()
    tables: Tables = {
        **loss_effects.tables(),
        "bicubic": lambda: bicubic_table(options.benchmarks),
        **{f"upscalers-{name}": partial(upscaler_table, options.benchmarks, name) for name in SETS},
        "perception": lambda: perception_table(options.benchmarks),
        "upscaler-times": times_table,
        "inference": lambda: markdown(*inference.rows()),
        "lattice": lattice_table,
        "flicker": lambda: markdown(*flicker.rows()),
        "restoration": lambda: markdown(*restoration.rows(shipped_restorers())),
        **{f"card-{file.stem}": partial(restorer_table, name, file) for name, file in shipped_restorers().items()},
        **{
            f"card-{card.name}": partial(card_table, options.benchmarks, card.scale, label(card))
            for card in upscaler_cards()
        },
    }
    try:
        if options.print:
            print(tables[check_choice("table", options.print, tables)](), end="")
            return
        stale = fill(documents(), tables, options.check, TIMED if options.check or options.keep_times else ELSEWHERE)
    except InputError as error:
        sys.exit(f"error: {error}")
    for file in stale:
        print(f"{'out of date' if options.check else 'filled'}: {file.relative_to(ROOT)}")
    if options.check and stale:
        sys.exit("python benchmarks/tables.py fills them")


if __name__ == "__main__":
    main()
