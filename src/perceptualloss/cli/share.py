"""``perceptualloss share``."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.cli.console import bold, check_unused, command_parser, inform, tell
from perceptualloss.errors import InputError
from perceptualloss.training.share import push_to_hub, write_share


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("share")
    parser.add_argument("what", type=str, help="the folder of a finished run, a network's file, or a recipe's")
    parser.add_argument("repository", type=str, help="where on the hub: user/name; it is made if it is not there")
    parser.add_argument("--public", action="store_true", help="let everybody read it; without this it is private")
    parser.add_argument("--licence", type=str, default="", help="the licence that the card names, such as apache-2.0")
    parser.add_argument("--text", type=Path | None, help="a file in Markdown with which the card begins")
    parser.add_argument(
        "--datasets", nargs="+", type=str, default=[], help="data sets that it learned from, by their names on the hub"
    )
    parser.add_argument("--evaluation", type=Path | None, help="figures for the card: a file of evaluate --json")
    parser.add_argument("--out", type=Path | None, help="write the files into this folder, and upload nothing")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss share``."""
    card = {name: options[name] for name in ("licence", "datasets", "evaluation")}
    card["text"] = "" if options.text is None else _read(options.text)
    if options.out is not None:
        check_unused(parser, options, ["public"], "with --out, which uploads nothing")
        files = write_share(options.what, options.repository, options.out, **card)
        inform("Wrote ", bold(", ".join(file.name for file in files)), f" into {options.out}; nothing was uploaded.")
        return
    shared = push_to_hub(options.what, options.repository, private=not options.public, **card)
    inform(f"Shared {', '.join(shared.files)}, {'private' if shared.private else 'public'}: ", bold(shared.url))
    tell(shared.address)
    if options.public and shared.private:
        inform("The repository was there and is private; make it public on its page.")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a text in UTF-8", f"{file} ({error})") from error
