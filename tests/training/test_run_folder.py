"""The folder of a run: one for each run, all that made it in it, and what has changed at a resume is said."""

from __future__ import annotations

import inspect
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from perceptualloss.data.damage import InTurn, Jpeg, Noise
from perceptualloss.data.degrade import Degradation, Downscale
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.named import load_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.run_folder import (
    RECORD,
    alone_in,
    claim_folder,
    claimed_folder,
    data_record,
    in_words,
    read_record,
    resumed_from,
)
from perceptualloss.training.train import train


def recipe(photos: Path, width: int = 4, **settings: Any) -> Recipe:
    torch.manual_seed(0)
    usual: dict[str, Any] = {"photos": photos, "validation": 1, "crop": 40, "batch_size": 2, "steps": 2}
    usual |= {"device": "cpu", "precision": "fp32", "degradation": Noise((0.1, 0.1)), "loss": {"L1Loss": 0.5}}
    return Recipe(ResidualUpscaler(1, width=width, blocks=1), **(usual | settings))


def test_runs_that_begin_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        folders = list(threads.map(lambda _: claim_folder(tmp_path / "runs", "mine"), range(16)))
    assert len(set(folders)) == 16
    assert {folder.name for folder in folders} == {"mine", *(f"mine-{n}" for n in range(2, 17))}


def test_a_run_that_does_not_begin_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError), claimed_folder(tmp_path, "mine"):
        raise InputError("photos", "none")
    assert not list(tmp_path.iterdir())


def test_other_processes_of_a_run_make_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("NODE_RANK", "1"), ("SLURM_PROCID", "3")):
        with monkeypatch.context() as environment:
            environment.setenv(name, value)
            assert claim_folder(tmp_path, "mine") == tmp_path / "mine"
    assert not list(tmp_path.iterdir())


def test_a_folder_in_which_another_run_writes_is_refused(small_photos: Path, tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(InputError, match="another one that is writing there"):
        train(recipe(small_photos), tmp_path)
    train(recipe(small_photos), tmp_path)


def test_the_record_says_all_that_made_the_run(small_photos: Path, tmp_path: Path) -> None:
    train(recipe(small_photos, ema=0.5), tmp_path, command="perceptualloss train it")
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["command"] == "perceptualloss train it"
    assert record["settings"]["network"].startswith("ResidualUpscaler(scale=1, width=4, blocks=1")
    assert record["settings"]["degradation"].startswith("Noise(")
    assert (record["settings"]["loss"], record["settings"]["ema"]) == ("{L1Loss: 0.5}", "0.5")
    assert set(record["versions"]) == {"python", "torch", "lightning", "perceptualloss"}
    assert record["versions"]["torch"] == torch.__version__
    assert record["data"]["files"] == 4
    assert record["data"]["folders"] == [str(small_photos.resolve())]


def test_the_saved_network_carries_its_card(small_photos: Path, tmp_path: Path) -> None:
    train(recipe(small_photos), tmp_path)
    card = read_metadata(tmp_path / "network.safetensors")
    assert (card["loss"], card["steps"], card["seed"]) == ("{L1Loss: 0.5}", "2", "0")
    assert card["degradation"].startswith("Noise(")
    assert json.loads(card["data"])["files"] == 4
    assert json.loads(card["versions"])["torch"] == torch.__version__


def test_what_has_changed_at_a_resume_is_said(
    small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(recipe(small_photos), tmp_path)
    other = {"batch_size": 3, "seed": 4, "learning_rate": 5e-4, "loss": L1Loss(), "steps": 3}
    with caplog.at_level(logging.WARNING):
        train(recipe(small_photos, **other), tmp_path, resume=True)
    said = [record.getMessage() for record in caplog.records]
    for setting in other:
        assert sum(line.startswith(f"{setting} was ") for line in said) == 1, said
    assert len(said) == len(other)
    (resumed,) = json.loads((tmp_path / "run.json").read_text())["resumed"]
    assert resumed["changed"]["batch_size"] == ["2", "3"]
    with pytest.raises(InputError, match=r"the network of the run .*width=4.*width=8"):
        train(recipe(small_photos, width=8), tmp_path, resume=True)


def test_other_data_at_a_resume_are_said(small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for file in sorted(small_photos.iterdir()):
        (photos / file.name).write_bytes(file.read_bytes())
    train(recipe(photos), tmp_path / "run")
    (photos / "more.png").write_bytes(sorted(photos.iterdir())[0].read_bytes())
    with caplog.at_level(logging.WARNING):
        train(recipe(photos, steps=3), tmp_path / "run", resume=True)
    assert "files was 4 before, and is 5 from here on" in caplog.text


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(small_photos: Path, tmp_path: Path) -> None:
    train(recipe(small_photos), tmp_path / "whole")
    train(recipe(small_photos), tmp_path / "cut")
    for file in (tmp_path / "cut" / "checkpoints").iterdir():
        file.unlink()
    train(recipe(small_photos), tmp_path / "cut", resume=True)
    networks = [load_network(tmp_path / name / "network.safetensors").state_dict() for name in ("whole", "cut")]
    assert all(torch.equal(value, networks[1][name]) for name, value in networks[0].items())
    with pytest.raises(InputError, match="the folder of an interrupted run"):
        train(recipe(small_photos), tmp_path / "nothing", resume=True)


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "{", "\x00", "[" * 100_000, '{"settings": "x"}', '{"data": [1]}', '{"versions": 3}', '{"resumed": {}}'],
)
def test_a_record_of_a_strangers_that_is_none_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(text)
    assert read_record(tmp_path) is None
    with pytest.raises(InputError, match="the folder of an interrupted run"):
        resumed_from(tmp_path, {"steps": "5"}, ["steps"])


def test_data_are_told_apart_by_names_and_sizes(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b")]
    for file in files:
        file.write_bytes(b"12")
    first = data_record(files)
    assert first == data_record(files[::-1])
    files[0].write_bytes(b"123")
    assert data_record(files)["names_and_sizes"] != first["names_and_sizes"]


def test_settings_in_words() -> None:
    assert in_words({"L1Loss": {"weight": 0.5}}) == "{L1Loss: {weight: 0.5}}"
    assert in_words(Path("photos")) == "photos"
    assert in_words(None) == "None"
    assert in_words(Downscale(2)) == "Downscale(scale=2, method=bicubic, blur=0.0)"


def test_settings_of_degradations_are_told_apart() -> None:
    assert in_words(Noise((0.1, 0.2))) == "Noise(sigma=[0.1, 0.2])"
    assert in_words(Noise((0.1, 0.2))) != in_words(Noise((0.1, 0.3)))
    assert in_words(InTurn([Noise((0, 1)), Jpeg((10, 20))])) != in_words(InTurn([Noise((0, 1)), Jpeg((10, 30))]))


@pytest.mark.parametrize("kind", DEGRADATIONS.values())
def test_words_of_a_degradation_are_the_arguments_that_one_writes(kind: type[Degradation]) -> None:
    arguments = inspect.signature(kind).parameters
    made = kind(**{name: [Noise()] for name in arguments if name == "parts"})
    words = in_words(made)
    assert words.startswith(f"{kind.__name__}(")
    assert all(f"{name}={in_words(getattr(made, name))}" in words for name in arguments)


class Rain(Degradation):
    """One of a user's own, which keeps its argument under another name, and a function."""

    def __init__(self, drops: int = 20) -> None:
        self.count, self.curve = drops, lambda value: value

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        return target


def test_words_of_a_class_of_ones_own_are_the_same_in_every_process() -> None:
    assert in_words(Rain()) == in_words(Rain())
    assert in_words(Rain()).startswith("Rain(count=20, curve=<function Rain")
    assert in_words(Rain(3)) != in_words(Rain(4))
    assert " at 0x" not in in_words([object(), Rain()])
