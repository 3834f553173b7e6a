"""Recipes from strangers: each is refused in one line, with 2, and nothing of it runs. docs/safety.md has the table."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from perceptualloss import cli

START = "degradation: {class_path: Downscale, init_args: {scale: 2}}\nloss: L1Loss\nnetwork: Upscale2x\n"
ATTACK = """
critic:
  class_path: torch.fx.graph_module.reduce_graph_module
  init_args: {body: {_code: pass}, import_block: "import pathlib; pathlib.Path('ran').touch()\\n"}
"""
LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(9)
)

HOSTILE: dict[str, tuple[str, str]] = {
    # a function or class from elsewhere
    "a function that compiles code": (START + ATTACK, "critic to be one of Critic"),
    "a function of os": (START + "critic: os.system\n", "critic to be one of Critic"),
    "a class of torch": (START + "critic: {class_path: torch.nn.Linear}\n", "critic to be one of Critic"),
    "a module to import": ("network: ran.Network\nloss: L1Loss\n", "network to be one of"),
    "a module as a loss": ("network: Upscale2x\nloss: {class_path: ran.Loss}\n", "loss to be one of"),
    "a class within a list": (
        "degradation: {class_path: InTurn, init_args: {parts: [Grey, {class_path: ran.Grey}]}}\n",
        "parts to be one of",
    ),
    "a network as an option": (
        "loss: {FeatureReconstructionLoss: {network: {class_path: ran.Network}}}\n",
        "network of FeatureReconstructionLoss to be",
    ),
    "a class as a schedule": (START + "schedule: {class_path: ran.Schedule}\n", "option of schedule"),
    "a class as the rules": (START + "adversarial: {class_path: ran.Game}\n", "option of adversarial"),
    "trust from within": (START + "trust: ran\n", "setting in"),
    # YAML that is more than data
    "a tag of Python": (START + "crop: !!python/object/apply:os.system ['touch ran']\n", "without tags"),
    "a tag of one's own": (START + "crop: !run 64\n", "without tags"),
    "a reference": (START + "freeze: &a [x]\nstyle: *a\n", "without references"),
    "a billion laughs": (LAUGHS, "without references"),
    "a deep nest": (START + "freeze: " + "[" * 1000 + "]" * 1000, "within each other"),
    "a list of a million": (START + "freeze: [" + "x," * 400_000 + "]", "at most 10,000 values"),
    "two megabytes": (START + "# " + "x" * 2**21, "at most 1,048,576 bytes"),
    "a name twice": (START + "loss: MSELoss\n", "every name once"),
    "no YAML": (START + "]\n", "in YAML"),
    "no mapping": ("[1, 2]\n", "names with values"),
    "a number of 5000 digits": (START + f"crop: {'9' * 5000}\n", "in YAML"),
    # absurd numbers
    "a crop of 10^7": (START + "crop: 10000000\n", "crop from 1 to 8,192"),
    "a batch of 10^9": (START + "batch_size: 1000000000\n", "batch_size from 1"),
    "a batch of 10^10 pixels": (START + "batch_size: 2000\ncrop: 4096\n", "268,435,456 pixels in a batch"),
    "100000 workers": (START + "workers: 100000\n", "workers from 0 to 128"),
    "1e30 steps": (START + "steps: 1e30\n", "steps of the recipe to be a whole number"),
    "10^30 steps": (START + f"steps: {10**30}\n", "steps of the recipe up to"),
    "a learning rate without end": (START + "learning_rate: .inf\n", "a finite number"),
    "a negative seed": (START + "seed: -1\n", "seed from 0"),
    "a network of width 10^9": (
        "loss: L1Loss\nnetwork: {class_path: ResidualUpscaler, init_args: {width: 1000000000}}\n",
        "width of ResidualUpscaler up to 65,536",
    ),
    "a network of width 60000": (
        "loss: L1Loss\nnetwork: {class_path: ResidualUpscaler, init_args: {width: 60000}}\n",
        "ResidualUpscaler with at most 1,073,741,824 parameters",
    ),
    "a network of 60000 blocks": (
        "loss: L1Loss\nnetwork: {class_path: StyleTransferNetwork, init_args: {blocks: 60000}}\n",
        "StyleTransferNetwork with at most 4,000 parameter tensors",
    ),
    "a critic of width 60000": (
        START + "adversarial: {penalty: 10}\ncritic: {class_path: Critic, init_args: {width: 60000}}\n",
        "Critic with at most",
    ),
    "a projected critic of width 60000": (
        START + "adversarial: {kind: hinge}\ncritic: {class_path: ProjectedCritic, init_args: {width: 60000}}\n",
        "ProjectedCritic with at most",
    ),
    "critics of 10^9 scales": (
        START + "adversarial: {kind: hinge}\ncritic: {class_path: MultiScaleCritic, init_args: {scales: 1000000000}}\n",
        "scales of MultiScaleCritic up to 65,536",
    ),
    "a network of a critic from elsewhere": (
        START
        + "adversarial: {kind: hinge}\ncritic: {class_path: ProjectedCritic, init_args: {network: ran.Network}}\n",
        "network to be one of",
    ),
    "a negative width": (
        "loss: L1Loss\nnetwork: {class_path: ResidualUpscaler, init_args: {width: -1}}\n",
        "scale, width, blocks and detail from 1",
    ),
    "a filter of 10^5 pixels": ("loss: {BlurredColorLoss: {kernel_size: 100001}}\n", "up to 4,096"),
    "pictures of 10^5 pixels a side": ("loss: {VGG16PerceptualLoss: {resize: [100000, 100000]}}\n", "up to 4,096"),
    "a game that starts after 10^10 steps": (
        START + "adversarial: {kind: hinge, start: 10000000000}\n",
        "adversarial.start from 0 to",
    ),
    "10,000 processes": (START + "devices: 10000\n", "devices from 1 to 64"),
    # what is no setting, or of another type
    "an unknown setting": (START + "cropp: 64\n", "Did you mean 'crop'"),
    "an unknown option": ("degradation: {class_path: Downscale, init_args: {scala: 2}}\n", "Did you mean 'scale'"),
    "an unknown key": ("degradation: {class_path: Downscale, run: ran}\n", "key of degradation"),
    "a text as a number": (START + "crop: large\n", "crop of the recipe to be a whole number"),
    "a list as a network": ("network: [1]\n", "network by its name"),
    "a number as options": ("network: {class_path: Upscale2x, init_args: 5}\n", "network by its name"),
    "markup": ("network: 'o[red]x[/]'\n", "got 'o[red]x[/]'"),
    "a name of 100,000 letters": ("loss: " + "x" * 100_000 + "\n", "loss of the recipe in letters"),
    "a setting of 100,000 letters": ("? " + "x" * 100_000 + "\n: 1\n", "xxx'..."),
    "a path of 100,000 letters": (START + "photos: " + "x" * 100_000 + "\n", "photos of the recipe in letters"),
    "a path with a zero": (START + 'photos: "a\\0b"\n', "photos of the recipe in letters"),
    "a path that steers the terminal": (START + 'photos: "\\e[31m"\n', "photos of the recipe in letters"),
    # places that are none of its business
    "a folder with a zero": (START + 'out: "a\\0b"\n', "out in recipe.yaml in letters"),
    "no name": (START + "name: ''\n", "name in"),
    "a name that leads upwards": (START + "name: ../../ran\n", "name in"),
    "a folder that leads upwards": (START + "out: ../ran\n", "out in"),
    "an absolute folder": (START + "out: /ran\n", "out in"),
    "a run to go on with": (START + "resume: ran\n", "setting in"),
    "another recipe": (START + "recipe: ran.yaml\n", "setting in"),
}


FILES: dict[str, tuple[str, str]] = {  # refused when they are opened, with 1
    "a device as photos": (START + "photos: /dev/zero\n", "a folder with pictures at /dev/zero"),
    "a folder of devices as photos": (START + "photos: /dev\n", "pictures in /dev"),
    "a device as a start": (START + "start_from: /dev/zero\n", "no file at /dev/zero"),
    "a device as a picture": (
        "network: StyleTransferNetwork\nloss: {StyleReconstructionLoss: {network: compact}}\nstyle: /dev/zero\n",
        "a device or the like",
    ),
    "a device as weights": (
        START.replace("L1Loss", "{FeatureReconstructionLoss: {network: compact, weights: /dev/zero}}"),
        "no file at /dev/zero",
    ),
}


@pytest.mark.parametrize("name", [*HOSTILE, *FILES])
def test_it_is_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, message = (HOSTILE | FILES)[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("ran.py").write_text("import pathlib\npathlib.Path('ran').touch()\n", encoding="utf-8")
    Path("recipe.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    assert cli.main(["train", "recipe.yaml", "--device", "cpu"]) == (2 if name in HOSTILE else 1)
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert len(shown.err) < 1100
    # Nothing ran or was written; a run's folder is claimed, and given back, before its files are opened.
    assert sorted(path.name for path in tmp_path.rglob("*") if path.name != "runs") == ["ran.py", "recipe.yaml"]


LOSS_NETWORKS: dict[str, tuple[str, str]] = {
    "an architecture of elsewhere": ("architecture: os.system\n", "architecture of recipe.yaml to be one of"),
    "1e30 steps": ("steps: 1e30\n", "steps of recipe.yaml to be a whole number"),
    "a crop of 10^7": ("crop: 10000000\n", "crop from 1 to 8,192"),
    "10^12 crops of a photo": ("crops_per_photo: 1000000000000\n", "crops_per_photo from 1"),
    "a file that leads upwards": ("out: ../ran.safetensors\n", "out in recipe.yaml"),
    "an absolute folder": ("folder: /ran\n", "folder in recipe.yaml"),
    "a class": ("start_from: {class_path: os.system}\n", "start_from of recipe.yaml to be a text"),
    "an unknown setting": ("trust: ran\n", "option of recipe.yaml"),
    "a run to go on with": ("resume: true\n", "without resume"),
}


@pytest.mark.parametrize("name", LOSS_NETWORKS)
def test_a_recipe_of_a_loss_network_is_data_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, message = LOSS_NETWORKS[name]
    monkeypatch.chdir(tmp_path)
    usual = {"architecture": "judge", "out": "a.safetensors", "photos": "."}
    given = text + "".join(f"{key}: {value}\n" for key, value in usual.items() if not text.startswith(key))
    Path("recipe.yaml").write_text(given, encoding="utf-8")
    assert cli.main(["train-loss-network", "recipe.yaml"]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_the_table_in_the_documents_has_every_line() -> None:
    text = (Path(__file__).parents[1] / "docs" / "safety.md").read_text(encoding="utf-8")
    for name in (*HOSTILE, *FILES, *LOSS_NETWORKS):
        assert f"| {name} | " in text
