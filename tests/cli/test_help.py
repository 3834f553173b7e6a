"""``--help`` of every command: nothing in it is blank or a docstring's markup, and its examples are understood."""

from __future__ import annotations

import importlib
import shlex
import shutil
from argparse import SUPPRESS
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from perceptualloss import cli
from perceptualloss.cli.examples import EXAMPLES
from perceptualloss.cli.help import Help
from perceptualloss.training.shipped_recipes import find_recipe

WIDTH = 80


def module_of(command: str) -> object:
    return importlib.import_module(f"perceptualloss.cli.{command.replace('-', '_')}")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_says_something_of_every_option(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    text = capsys.readouterr().out
    words = " ".join(text.split())
    assert not [part for part in ("(default: )", ":class:", ":func:", "``", "(see )") if part in words]
    assert not [line for line in text.splitlines() if len(line) > WIDTH]
    parser: ArgumentParser = module_of(command).build_parser()  # type: ignore[attr-defined]
    silent = [action.dest for action in parser._actions if action.help != SUPPRESS and not (action.help or "").strip()]
    assert silent == []


@pytest.mark.parametrize("part", ["adversarial", "balance"])
def test_a_part_of_a_recipe_has_a_help_of_the_same_kind(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", f"--{part}.help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: perceptualloss train ")
    assert f"\nThe settings of --{part}.\n" in text
    assert not [found for found in (":class:", ":func:", ":math:", "(type:", "``") if found in text]


def test_usage_says_what_must_be_given_and_keeps_dots(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["restore", "--help"])
    usage = capsys.readouterr().out.partition("\n")[0]
    assert usage == "usage: perceptualloss restore paths [paths ...] --of OF [OF ...] [OPTIONS]"


def test_help_keeps_dots_and_says_defaults_that_are_something() -> None:
    parser = ArgumentParser(formatter_class=Help)
    parser.add_argument("--net", default="a", help="a, b, ...")
    parser.add_argument("--sentence", default=1, help="One sentence.")
    parser.add_argument("--empty", default="", help="such as x")
    parser.add_argument("--on", type=bool, default=True, help="whether it is")
    text = " ".join(parser.format_help().split())
    assert "a, b, ... (default: a)" in text
    assert "One sentence (default: 1)" in text
    assert "such as x --on" in text
    assert "whether it is (default: true)" in text


def test_every_command_has_examples_and_understands_them(
    tmp_path: Path, small_photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(EXAMPLES) == list(cli.COMMANDS)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(small_photos, "my-photos")
    shutil.copy(find_recipe("denoise"), "my-recipe.yaml")
    for command, lines in EXAMPLES.items():
        monkeypatch.setattr(module_of(command), "run", lambda *_: None)
        for line in lines:
            program, *words = shlex.split(line.partition(" > ")[0])
            assert (program, words[0]) == ("perceptualloss", command)
            assert cli.main(words) == 0, f"{line}: {capsys.readouterr().err}"
