"""``perceptualloss upscale``."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.upscale import upscaler
from perceptualloss.cli.console import add_backend_option, add_computing_options, command_parser
from perceptualloss.cli.each import Tell, do_each
from perceptualloss.cli.targets import add_target_options, targets
from perceptualloss.networks.named import Kind
from perceptualloss.pictures.verify import unlike


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("upscale")
    parser.add_argument("paths", nargs="+", type=Path, help="pictures and folders; - for the standard input")
    add_target_options(parser, Path("runs/upscale"), "pictures")
    parser.add_argument("--scale", type=float | None, help="how many times larger, up to 16, such as 1.5 (default: 4)")
    parser.add_argument("--width", type=int | None, help="of the results in pixels, in place of --scale")
    parser.add_argument("--height", type=int | None, help="of the results in pixels, in place of --scale")
    parser.add_argument("--megapixels", type=float | None, help="of the results, in place of --scale")
    parser.add_argument(
        "--kind",
        type=Kind | None,
        help="how it was trained: mse (close; default), perceptual (sharp), adversarial (textured)",
    )
    parser.add_argument(
        "--network",
        type=Path | None,
        help="a file, such as from perceptualloss train, or the name of one that ships",
    )
    parser.add_argument("--perception", type=float | None, help="between mse (0) and perceptual (1), instead of --kind")
    parser.add_argument("--match_histogram", action="store_true", help="keep the histogram of each picture")
    parser.add_argument("--tile", type=int | None, help="side of the tiles that large pictures are done in")
    add_computing_options(parser)
    add_backend_option(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss upscale``."""
    sizes = ("scale", "width", "height", "megapixels")
    names = (*sizes, "kind", "network", "perception", "match_histogram", "tile", "device", "precision", "backend")
    with targets(options) as to:
        tool = upscaler(**{name: options[name] for name in names})

        def work(source: Path, target: Path, tell: Tell) -> None:
            tool.file(source, target, tell, to.writing)

        def verify(source: Path, target: Path) -> str:
            return unlike(source, target, tool.size_of, to.max_pixels)

        do_each(to.plan, to.out, work, "pictures", "enlarged", to.existing, verify)
