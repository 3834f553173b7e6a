"""``perceptualloss export``."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.cli.console import bold, command_parser, inform, make_folder
from perceptualloss.errors import InputError
from perceptualloss.networks.export import Format, export_network
from perceptualloss.networks.named import load_network


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("export")
    parser.add_argument("network", type=str, help="the name of one that ships, or a network's file")
    parser.add_argument("-o", "--out", type=Path | None, help="the file (default: the network's name, in this folder)")
    parser.add_argument(
        "--format", type=Format | None, help="onnx, pt2 or safetensors (default: what --out ends in, else onnx)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss export``."""
    out = options.out or Path(f"{Path(options.network).stem}.{options.format or 'onnx'}")
    if out.exists() and not options.overwrite:
        raise InputError(f"no file {out} yet", "one", "--overwrite replaces it.")
    network = load_network(options.network)
    make_folder(out.parent)
    inform("Writing and comparing; this takes seconds to a minute.")
    done = export_network(network, out, options.format)
    same = "" if done.difference is None else f"; its results differ by at most {done.difference:.1g}"
    inform("Wrote ", bold(done.path), f", {done.bytes / 1e6:.1f} MB{same}")
