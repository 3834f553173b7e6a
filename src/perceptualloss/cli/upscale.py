"""``perceptualloss upscale``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from rich.markup import escape

from perceptualloss.checks import InputError
from perceptualloss.cli.console import bars, console, errors, make_folder
from perceptualloss.inference.files import pair_up
from perceptualloss.inference.tiles import Precision
from perceptualloss.inference.upscale import Upscaler, upscaler
from perceptualloss.networks.shipped import Kind


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = ArgumentParser(description="Enlarge pictures and folders of pictures with a trained network.")
    parser.add_argument("paths", nargs="+", type=Path, help="pictures and folders")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("runs/upscale"), help="a file for one picture, or a folder"
    )
    parser.add_argument("--scale", type=Literal[2, 4] | None, help="how many times larger (default: 4)")
    parser.add_argument("--kind", type=Kind, default="mse", help="close, sharp or textured: how it was trained")
    parser.add_argument("--network", type=Path | None, help="a network of your own, from perceptualloss train")
    parser.add_argument("--perception", type=float | None, help="between mse (0) and perceptual (1), instead of --kind")
    parser.add_argument("--match_histogram", action="store_true", help="keep the histogram of each picture")
    parser.add_argument("--tile", type=int | None, help="side of the tiles that large pictures are done in")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, gpu, mps or cuda:1")
    parser.add_argument("--precision", type=Precision, default="auto", help="auto is fp16 on CUDA, else fp32")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss upscale``."""
    settings = options.clone()
    out, paths = settings.pop("out"), settings.pop("paths")
    pairs = pair_up(paths, out)
    tool = upscaler(**settings.as_dict())
    failed = _work(tool, pairs)
    done = len(pairs) - failed
    if done:
        where = pairs[0][1] if len(pairs) == 1 else f"{done} pictures into {out}"
        console.print(f"Wrote [bold]{escape(str(where))}[/]", soft_wrap=True)
    if failed:
        raise InputError(f"{len(pairs)} pictures", f"{failed} that were not enlarged", "The reasons are above.")


def _work(tool: Upscaler, pairs: list[tuple[Path, Path]]) -> int:
    """Enlarge file after file and return how many did not work."""
    failed = 0
    with bars() as shown:
        bar = shown.add_task("", total=len(pairs))
        for number, (source, target) in enumerate(pairs):
            shown.update(bar, description=escape(f"{source.name} ({number + 1}/{len(pairs)})"), completed=number)

            def tell(done: int, total: int, before: int = number) -> None:
                shown.update(bar, completed=before + done / total)

            try:
                make_folder(target.parent)
                tool.file(source, target, tell)
            except InputError as error:
                failed += 1
                errors.print(f"[red]not enlarged:[/] {escape(f'{source}: {error}')}", highlight=False, soft_wrap=True)
    return failed
