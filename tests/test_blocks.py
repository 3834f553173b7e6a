"""The blocks of the documents run: Python's as they stand, with fewer steps, and commands as far as their options."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from perceptualloss import L1Loss, cli, save_network
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.features import network as networks
from perceptualloss.losses.registry import LOSSES
from perceptualloss.metrics.registry import _ENTRIES as METRICS
from perceptualloss.metrics.registry import FUNCTIONS
from perceptualloss.networks.registry import CRITICS, NETWORKS
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import write_image
from perceptualloss.training.shipped_recipes import find_recipe

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A line right before a block says why it is not run: <!-- not run: needs a GPU -->; all others are run.
BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<why>.+) -->\n+)?^(?P<indent> *)```python.*\n(?P<text>(?:.*\n)*?) *```$", re.M
)
COMMANDS = re.compile(
    r"^ *```(?:sh|bash|shell)\n((?:.*\n)*?) *```$|((?:^    perceptualloss .*\n(?:^      .*\n)*)+)", re.M
)
ELSEWHERE = {  # blocks with these words are run by tests of their own, with more to look at
    "own-loop.md": "",
    "coming-from-elsewhere.md": "",
    "autoencoders.md": "",
    "critics.md": "",
    "masks.md": "PhotoTask|DataLoader",
    "video.md": "optimizer|flow",
    "stylizing.md": "optimize|several",
    "evaluating.md": "torchmetrics|lightning|import evaluate",
    "training.md": "runs/style",
    "export.md": "export_network",
}
SHORTER = {  # a learner's numbers, and a test's
    r"range\(\d{3,}\)": "range(2)",
    r"\b(steps|max_steps)=\d{2,}": r"\1=1",
    r"\bsize=\d{3,}": "size=48",
    r"resize=\(\d+, \d+\)": "resize=(32, 32)",
    r"interval=\d{2,}": "interval=2",
    r"max_epochs=\d{2,}": "max_epochs=1",
    r"width=3840": "width=96",
    r"RealESRGAN_x4plus.pth": "mine.safetensors",  # files that tests do not have
    r"photo\.heic": "photo.jpg",
}
REGISTRIES: tuple[dict[str, Any], ...] = (LOSSES, NETWORKS, CRITICS, DEGRADATIONS, METRICS, FUNCTIONS)


def name(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def python_blocks(document: Path) -> list[str]:
    """Return the blocks of a document that are to run."""
    found = []
    where = ELSEWHERE.get(document.name) if document.parent.name == "docs" else None
    for block in BLOCK.finditer(document.read_text(encoding="utf-8")):
        text = re.sub(f"^{block['indent']}", "", block["text"], flags=re.M)
        if not block["why"] and not (where is not None and re.search(where, text)):
            found.append(text)
    return found


def command_lines(document: Path) -> list[list[str]]:
    """Return the words after "perceptualloss" of every command line in a document."""
    found = []
    for block in COMMANDS.finditer(document.read_text(encoding="utf-8")):
        for line in (block[1] or block[2]).replace("\\\n", " ").splitlines():
            for part in re.split(r" \| | && | ; ", line):
                words = [word for word in shlex.split(part, comments=True) if not re.match(r"\$\w", word)]
                while words and (words[0] == "$" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
                    words = words[1:]
                if words[:1] == ["perceptualloss"]:
                    end = next((n for n, word in enumerate(words) if word[0] in "<>"), len(words))
                    found.append(words[1:end])
    return found


def commands() -> dict[Path, list[list[str]]]:
    """Return the commands of every document that no document before it has: pages in two languages share theirs."""
    seen: set[tuple[str, ...]] = set()
    found: dict[Path, list[list[str]]] = {}
    for document in DOCUMENTS:
        for words in command_lines(document):
            if tuple(words) not in seen:
                seen.add(tuple(words))
                found.setdefault(document, []).append(words)
    return found


COMMANDS_OF = commands()


@pytest.fixture(scope="module", name="things")
def _things(small_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What documents speak of: photos, styles, networks."""
    place = tmp_path_factory.mktemp("things")
    shutil.copytree(small_photos, place / "my-photos")
    for file in ("photo", "scan", "output", "target", "painting", "picture", "starry_night", "wave"):
        write_image(torch.rand(3, 48, 48), place / f"{file}.jpg")
        write_image(torch.rand(3, 48, 48), place / f"{file}.png")
    for folder in ("mse", "perceptual", "targets"):
        shutil.copytree(small_photos, place / folder)
    for run in ("upscale2x-perceptual", "mine"):
        (place / "runs" / run).mkdir(parents=True)
        save_network(ResidualUpscaler(2, 4, 1), place / "runs" / run / "network.safetensors")
    save_network(ResidualUpscaler(2, 4, 1), place / "mine.safetensors")
    return place


@pytest.fixture(name="folder")
def _folder(things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with these, in which a document's blocks run."""
    shutil.copytree(things, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(name="names")
def _names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names that blocks may use without making them; what blocks register is forgotten afterwards."""

    def drawn(_: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: torch.full_like(value, 0.01) for name, value in state.items()}

    monkeypatch.setattr(networks, "imagenet_weights", drawn)  # whose files few machines have
    before = [dict(registry) for registry in REGISTRIES]
    output, target = torch.rand(2, 1, 3, 48, 48).unbind(0)
    array = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    with warnings.catch_warnings(), mpl.rc_context({"backend": "agg"}):
        warnings.simplefilter("ignore")
        yield {
            "__name__": "__main__",
            "output": output.requires_grad_(),
            "target": target,
            "images": target,
            "photo": target,
            "start": target.clone(),
            "tensor": target,
            "array": array,
            "picture": Image.fromarray(array),
            "mask": torch.ones(1, 1, 48, 48),
            "loss": L1Loss(),
            "network": ResidualUpscaler(2, 4, 1).eval(),
            "module": StyleTransferNetwork(4, 1).eval(),
        }
    for registry, kept in zip(REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(kept)


# The German pages have the English pages' code, as test_course_pages.py checks.
@pytest.mark.parametrize("document", [f for f in DOCUMENTS if python_blocks(f) and f.parent.name != "de"], ids=name)
def test_python_blocks_run(document: Path, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    failed = []
    for block in python_blocks(document):
        fewer = block
        for many, few in SHORTER.items():
            fewer = re.sub(many, few, fewer)
        try:
            exec(compile(fewer, name(document), "exec"), names)
        except Exception as error:
            failed.append(f"{type(error).__name__}: {error}\nin the block\n{fewer}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("document", COMMANDS_OF, ids=name)
def test_commands_have_the_options_that_documents_name(
    document: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = []
    for words in COMMANDS_OF[document]:
        modules, others = cli.split_trust(words)
        command = others[0]
        recipe = "loss-network-judge" if command == "train-loss-network" else "denoise"
        if command == "train" and others[1].startswith("hf://"):  # which the hub alone has
            others[1] = recipe
        for word in others:
            if word.endswith(".yaml"):  # of one's own, or of a run
                Path(word).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(find_recipe(recipe), word)
        if command in cli.COMMANDS:
            module = importlib.import_module(f"perceptualloss.cli.{command.replace('-', '_')}")
            monkeypatch.setattr(module, "run", lambda *_: None)
        if not modules:
            try:
                code = cli.main(others)
            except SystemExit as stop:  # --help, --version, --print-config
                code = int(stop.code or 0)
            if code:
                failed.append(f"perceptualloss {shlex.join(words)}: {capsys.readouterr().err}")
    assert not failed, "\n".join(failed)


def test_blocks_are_seen() -> None:
    assert sum(len(python_blocks(document)) for document in DOCUMENTS) > 20
    assert sum(len(lines) for lines in COMMANDS_OF.values()) > 80
