"""Several processes: who is the first, and that all stop when one is asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from perceptualloss.files import is_first_process
from perceptualloss.training.processes import Agreement


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),  # torchrun on the second machine
        ({"LOCAL_RANK": "1"}, False),  # started by Lightning
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
        ({"LOCAL_RANK": "0", "SLURM_PROCID": "3"}, True),
    ],
)
def test_the_first_process(environment: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == first


def test_alone_a_wish_is_what_happens() -> None:
    agreement = Agreement()
    agreement.open()
    assert agreement.on(True, False) == (True, False)
    agreement.close()


def _ask(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    agreement = Agreement()
    agreement.open()
    asked: list[Any] = [agreement.on(step == 2 and rank == 1, rank == 0) for step in range(4)]
    agreement.close()
    torch.save(asked, Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_what_one_process_wishes_all_do(tmp_path: Path, in_processes: Callable[..., None]) -> None:
    in_processes(_ask, str(tmp_path), processes=2)
    for rank in range(2):
        stop = [wishes[0] for wishes in torch.load(tmp_path / f"{rank}.pt", weights_only=True)]
        assert stop == [False, False, True, False]
