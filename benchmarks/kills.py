"""Kill trainings at random moments and see whether the resumed runs end in the same bits.

    python benchmarks/kills.py [--kills 20] [--steps 600] [--seed 0] [--folder FOLDER]

Three tiny trainings, as a user starts them: supervised with geometric changes before the loss, adversarial, and a style
by the sliced Wasserstein loss. Each is killed with SIGKILL again and again, and resumed from its folder alone. Then
SIGTERM and Ctrl-C to the whole group of processes, with data workers and with two training processes, and a flipped bit
in the newest checkpoint. Compared are networks, optimisers, averages and validation curves.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from perceptualloss.training.checkpoints import checkpoint_files, step_of

NETWORK = {"class_path": "ResidualUpscaler", "init_args": {"scale": 1, "width": 4, "blocks": 1}}
GEOMETRIC = {"PerceptualLoss": {"network": "compact", "layers": {"relu1_2": 1.0}, "augment": "geometric"}}
WASSERSTEIN = {"SlicedWassersteinLoss": {"network": "compact", "layers": {"relu1_2": 1.0}, "positions": 100}}
COMMON = {
    **{"crop": 40, "batch_size": 2, "device": "cpu", "precision": "fp32", "validation": 1},
    **{"checkpoint_every": 3, "validate_every": 40, "ema": 0.9},
}
NOISE = {"class_path": "Noise", "init_args": {"sigma": [0.1, 0.2]}}


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    how: str
    ends: str
    exact: bool


def recipes(photos: Path, steps: int) -> dict[str, dict[str, Any]]:
    style = {"class_path": "StyleTransferNetwork", "init_args": {"width": 4, "blocks": 1}}
    critic = {"class_path": "Critic", "init_args": {"width": 2}}
    picture = str(sorted(photos.iterdir())[0])
    common = COMMON | {"photos": str(photos), "steps": steps}
    return {
        "supervised, augment": common | {"network": NETWORK, "loss": GEOMETRIC, "degradation": NOISE},
        "adversarial": common
        | {"network": NETWORK, "loss": GEOMETRIC, "degradation": NOISE, "critic": critic}
        | {"adversarial": {"penalty": 10, "weight": 0.1}},
        "style, Wasserstein": common | {"network": style, "loss": WASSERSTEIN, "style": picture, "stability": 0.1},
    }


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start the command line in a group of processes of its own, its output in a file."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(sys.executable).with_name("perceptualloss")), *words]
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, text=True, start_new_session=True
        )


def wait_for(happened: Any, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not happened():
        time.sleep(0.01)


def train(words: list[str], folder: Path) -> None:
    process = start(words, folder)
    if process.wait(600):
        raise SystemExit(f"{words} failed:\n{(folder / 'output.txt').read_text()}")


def newest_step(run: Path) -> int:
    return step_of(files[0]) if (files := checkpoint_files(run)) else 0


def same(first: Path, second: Path) -> bool:
    """Whether two runs' last checkpoints agree in every bit that a run depends on."""
    one, other = (torch.load(checkpoint_files(run)[0], weights_only=True) for run in (first, second))
    parts = ("global_step", "state_dict", "optimizer_states", "lr_schedulers", "history")
    return all(equal(one[part], other[part]) for part in parts)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def killed(words: list[str], run: Path, kills: int, chance: random.Random) -> list[int]:
    """Kill a training at random moments, each time after it has gone on; return the checkpoints' steps found then."""
    found: list[int] = []
    for number in range(kills):
        folder, record = run.parent, run / "run.json"
        before = record.stat().st_mtime_ns if record.exists() else 0
        process = start(words if number == 0 else ["train", "--resume", str(run)], folder)
        wait_for(lambda file=record, old=before: file.exists() and file.stat().st_mtime_ns != old, process)
        time.sleep(chance.uniform(0, 1.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        found.append(newest_step(run))
    return found


def stopped(words: list[str], run: Path, number: signal.Signals, at: int) -> tuple[int, str]:
    """Send a signal to the whole group once there is a checkpoint; return the exit code and what was printed."""
    process = start(words, run.parent)
    wait_for(lambda: newest_step(run) >= at, process)
    os.killpg(process.pid, number)
    code = process.wait(120)
    return code, (run.parent / "output.txt").read_text()


def sigkill_rows(files: dict[str, Path], kills: int, chance: random.Random) -> list[Row]:
    rows = []
    for n, (name, file) in enumerate(files.items()):
        share = kills // len(files) + (n < kills % len(files))
        words, cut = ["train", str(file), "--out", str(file.parent)], file.parent / "cut"
        train([*words, "--name", "whole"], file.parent)
        steps = killed([*words, "--name", "cut"], cut, share, chance)
        train(["train", "--resume", str(cut)], file.parent)
        shown = f"{share} x SIGKILL, last checkpoints at {', '.join(map(str, steps))}"
        rows.append(Row(name, shown, f"step {newest_step(cut)}", same(file.parent / "whole", cut)))
        print(rows[-1], flush=True)
    return rows


def signal_row(name: str, file: Path, number: signal.Signals, options: list[str], whole: Path) -> Row:
    words, cut = ["train", str(file), "--out", str(file.parent), *options], file.parent / f"{number.name}-{name}"
    code, printed = stopped([*words, "--name", cut.name], cut, number, 30)
    step, traced = newest_step(cut), "Traceback" in printed
    folders = len(list(file.parent.glob(f"{cut.name}*")))
    train(["train", "--resume", str(cut)], file.parent)
    said = f"code {code}, checkpoint of step {step}, {folders} folder, {printed.count('Writing to')} x 'Writing to', "
    return Row(
        f"{name}", f"{number.name} to the group", said + ("a traceback" if traced else "no traceback"), same(whole, cut)
    )


def flipped_row(file: Path) -> Row:
    cut = file.parent / "flipped"
    words = ["train", str(file), "--out", str(file.parent), "--name", cut.name]
    stopped(words, cut, signal.SIGTERM, 30)
    newest = checkpoint_files(cut)[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    train(["train", "--resume", str(cut)], file.parent)
    warned = "damaged" in " ".join((file.parent / "output.txt").read_text().split())
    return Row(
        "supervised, augment",
        f"a bit of step {step_of(newest)} flipped",
        "warned, fell back" if warned else "not a word",
        same(file.parent / "whole", cut),
    )


def photos(folder: Path) -> Path:
    from perceptualloss.data.folder import builtin_photos  # noqa: PLC0415
    from perceptualloss.pictures.images import read_image, write_image  # noqa: PLC0415

    for file in builtin_photos()[:3]:
        write_image(read_image(file)[:, :, 100:148, 100:156], folder / f"{file.stem}.png")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        (folder / "photos").mkdir(parents=True)
        files = {}
        for name, recipe in recipes(photos(folder / "photos"), options.steps).items():
            files[name] = folder / name.partition(",")[0] / "recipe.yaml"
            files[name].parent.mkdir()
            files[name].write_text(yaml.safe_dump(recipe), encoding="utf-8")
        rows = sigkill_rows(files, options.kills, random.Random(options.seed))
        first = next(iter(files.values()))
        workers = ["--workers", "2"]
        rows.append(signal_row("2 data workers", first, signal.SIGTERM, workers, first.parent / "whole"))
        rows.append(signal_row("2 data workers", first, signal.SIGINT, workers, first.parent / "whole"))
        rows.append(flipped_row(first))
        two = ["--devices", "2", "--workers", "1"]
        train(["train", str(first), "--out", str(first.parent), "--name", "two", *two], first.parent)
        for number in (signal.SIGINT, signal.SIGTERM):
            rows.append(signal_row("2 processes", first, number, two, first.parent / "two"))
    print("| training | what happened to it | how it ended | same bits as never stopped |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.how} | {row.ends} | {'yes' if row.exact else 'NO'} |")
    sys.exit(not all(row.exact for row in rows))


if __name__ == "__main__":
    main()
