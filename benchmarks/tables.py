"""Fill the tables of the README and the documentation from what is measured now, so that no figure is typed.

    python benchmarks/tables.py [--check]         fill what stands between <!-- table: NAME --> and <!-- end -->
    python benchmarks/tables.py --print NAME      show a table without writing it

Tables:

- bicubic: plain interpolation on Set5 and Set14 against the published figures;
- upscalers: every network that ships, against bicubic, on the same sets.

--check writes nothing and fails where a file is out of date. The sets lie in --benchmarks, as
SET/image_SRF_SCALE/*_HR.png.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from perceptualloss.checks import InputError, check_choice
from perceptualloss.data.pairing import target_files
from perceptualloss.experiments.candidates import Task, load
from perceptualloss.experiments.evaluate import evaluate
from perceptualloss.experiments.evaluation import Evaluation, best, shown
from perceptualloss.metrics.conventions import Convention
from perceptualloss.metrics.named import named
from perceptualloss.networks.checkpoint import load_network
from perceptualloss.resize import resize
from published import BICUBIC

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PERCEPTUALLOSS_SHARED", ROOT.parent / "shared"))
TRAINED = ROOT / "src" / "perceptualloss" / "networks" / "trained"
SETS = ("Set5", "Set14")
_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Tables = Mapping[str, Callable[[], str]]


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
            totals[name] += named(name)(output, target, border).item()
    return totals["psnr"] / len(files), totals["ssim"] / len(files)


def three(grey: Tensor) -> Tensor:
    return grey.expand(-1, 3, -1, -1)


def upscaler_table(benchmarks: Path, trained: Path) -> str:
    """Bicubic and every shipped network at each of their scales, on each set; the best of each column in bold."""
    files = sorted(trained.glob("*.safetensors"))
    if not files:
        raise InputError(f"trained networks in {trained}", "none")
    by_scale: dict[int, list[str]] = {}
    for file in files:
        by_scale.setdefault(load_network(file).scale, []).append(str(file))
    rows: list[list[str]] = []
    heads: list[str] = []
    for scale, networks in sorted(by_scale.items()):
        found = {
            name: evaluate([], set_folder(benchmarks, name, scale), networks=["bicubic", *networks]) for name in SETS
        }
        heads = [f"{m.title} {m.arrow} {name}" for name, each in found.items() for m in each.metrics]
        for candidate in next(iter(found.values())).candidates:
            cells = [cell for each in found.values() for cell in mean_cells(each, candidate)]
            rows.append([f"{candidate} x{scale}", *cells])
    return markdown(["", *heads], rows)


def mean_cells(found: Evaluation, candidate: str) -> list[str]:
    return [
        f"**{text}**" if candidate in best(metric, found.means) else text
        for metric in found.metrics
        for text in [shown(metric, found.means[candidate][metric.key].value)]
    ]


def set_folder(benchmarks: Path, name: str, scale: int) -> Path:
    return benchmarks / name / f"image_SRF_{scale}"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def filled(text: str, tables: Tables) -> str:
    """Return a Markdown text with every table that it has a place for made anew."""

    def table(place: re.Match[str]) -> str:
        return f"{place[1]}\n{tables[check_choice('table', place[2], tables)]()}\n{place[3]}"

    return _PLACE.sub(table, text)


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def fill(files: Sequence[Path], tables: Tables, check: bool) -> list[Path]:
    """Fill the tables of the files, or only look; return the files that were out of date."""
    stale = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        new = filled(text, tables)
        if new != text:
            stale.append(file)
            if not check:
                file.write_text(new, encoding="utf-8")
    return stale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    parser.add_argument("--print", metavar="NAME", help="print one table")
    parser.add_argument(
        "--benchmarks", type=Path, default=SHARED / "data" / "benchmarks", help="the folder of the sets"
    )
    parser.add_argument("--trained", type=Path, default=TRAINED, help="the folder of the networks that ship")
    options = parser.parse_args()
    tables: Tables = {
        "bicubic": lambda: bicubic_table(options.benchmarks),
        "upscalers": lambda: upscaler_table(options.benchmarks, options.trained),
    }
    try:
        if options.print:
            print(tables[check_choice("table", options.print, tables)](), end="")
            return
        stale = fill(documents(), tables, options.check)
    except InputError as error:
        sys.exit(f"error: {error}")
    for file in stale:
        print(f"{'out of date' if options.check else 'filled'}: {file.relative_to(ROOT)}")
    if options.check and stale:
        sys.exit("python benchmarks/tables.py fills them")


if __name__ == "__main__":
    main()
