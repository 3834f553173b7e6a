"""``perceptualloss pack``, and ``train`` on what it writes."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
import yaml

from perceptualloss import cli
from perceptualloss.data.inputs import Clean
from perceptualloss.data.shards.crops import ShardCrops
from perceptualloss.networks.named import load_network
from perceptualloss.training.run_folder import read_record

RECIPE = """
network: {class_path: ResidualUpscaler, init_args: {scale: 1, width: 4, blocks: 1}}
loss: L1Loss
schedule: {kind: constant}
degradation: {class_path: Noise, init_args: {sigma: [0.1, 0.2]}}
steps: 6
batch_size: 2
crop: 16
validation: 1
device: cpu
precision: fp32
"""


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    return file


@pytest.fixture
def shards(small_photos: Path, tmp_path: Path) -> Path:
    assert run("pack", small_photos, tmp_path / "shards", "--shard-size", "1kB", "--quiet") == 0
    return tmp_path / "shards"


def test_packing_says_what_it_did(
    small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "photos").mkdir()
    for file in small_photos.iterdir():
        (tmp_path / "photos" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    words = ["pack", tmp_path / "photos", tmp_path / "out", "--shard-size=9kB"]
    assert run(*words) == 0
    told = capsys.readouterr().out
    assert "Wrote 4 pictures into" in told
    assert "skipped 1 file" in told
    assert "bad.png: a file of unknown kind" in caplog.text
    assert run(*words) == 0
    assert "shards were there already" in capsys.readouterr().out
    assert run("pack", tmp_path / "photos", tmp_path / "photos") == 1
    assert "a new or empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shard-size", "large"], "a size such as 256MB"),
        (["--quality", "80"], "no --quality without --shorter-side or --tile"),
        (["--lossless"], "no --lossless without --shorter-side or --tile"),
        (["--tile", "64", "--lossless", "--quality", "80"], "no --quality with --lossless"),
        (["--tile", "64", "--quality", "101"], "a quality from 1 to 100"),
        (["--tile", "0"], "a tile from 1"),
    ],
)
def test_options_that_cannot_be_are_refused(
    words: list[str], message: str, small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("pack", small_photos, tmp_path / "out", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_training_on_shards_resumes_in_mid_epoch_to_the_same_bits(
    shards: Path,
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken: list[int] = []
    take = ShardCrops.clean

    def recording(self: ShardCrops, index: int) -> Clean:
        taken.append(index)
        return take(self, index)

    monkeypatch.setattr(ShardCrops, "clean", recording)
    monkeypatch.chdir(shards.parent)
    words = ["train", recipe, "--photos", "shards/photos-{000000..000003}.tar", "--out", tmp_path]
    assert run(*words, "--name", "whole") == 0
    whole, taken[:] = list(taken), []
    assert whole == list(range(12))
    assert run(*words, "--name", "cut", "--steps", 4) == 0
    assert run("train", "--resume", tmp_path / "cut", "--steps", 6) == 0
    assert taken == whole
    networks = [load_network(tmp_path / name / "network.safetensors").state_dict() for name in ("whole", "cut")]
    assert all(networks[0][name].equal(networks[1][name]) for name in networks[0])
    monkeypatch.chdir(tmp_path / "whole")  # its recipe has whole paths
    settings = yaml.safe_load((tmp_path / "whole" / "config.yaml").read_text())
    assert settings["photos"] == str(shards / "photos-{000000..000003}.tar")
    record = read_record(tmp_path / "whole")
    assert record is not None
    assert (record["data"]["files"], record["data"]["pictures"]) == (4, 4)
    capsys.readouterr()
    (shards / "photos-000003.tar").unlink()
    assert run("train", "--resume", tmp_path / "whole", "--steps", 7) == 1
    assert "photos-000003.tar" in capsys.readouterr().err
    assert run("train", "--resume", tmp_path / "whole", "--steps", 7, "--photos", shards) == 0
    assert "names_and_sizes was" in caplog.text


def test_an_address_is_trained_on_and_stands_in_the_run(
    shards: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERCEPTUALLOSS_CACHE", str(tmp_path / "cache"))
    store = fsspec.filesystem("memory")
    for file in shards.glob("photos-*"):
        store.pipe(f"/train/{file.name}", file.read_bytes())
    address = "memory://train/photos-{000000..000003}.tar"
    assert run("train", recipe, "--photos", address, "--out", tmp_path, "--name", "far", "--steps", 4) == 0
    assert run("train", "--resume", tmp_path / "far", "--steps", 6) == 0
    assert run("train", recipe, "--photos", shards, "--out", tmp_path, "--name", "near") == 0
    assert yaml.safe_load((tmp_path / "far" / "config.yaml").read_text())["photos"] == address
    far, near = (load_network(tmp_path / name / "network.safetensors").state_dict() for name in ("far", "near"))
    assert all(far[name].equal(near[name]) for name in near)
    records = [read_record(tmp_path / name) for name in ("far", "near")]
    assert records[0] is not None
    assert records[1] is not None
    assert records[0]["data"]["names_and_sizes"] == records[1]["data"]["names_and_sizes"]
    assert records[0]["data"]["folders"] == ["memory://train"]
    assert len(list((tmp_path / "cache" / "shards").glob("*.tar"))) == 4
    store.rm("/train", recursive=True)


def test_a_style_is_trained_on_shards(shards: Path, recipe: Path, small_photos: Path, tmp_path: Path) -> None:
    text = RECIPE.replace("ResidualUpscaler, init_args: {scale: 1, ", "StyleTransferNetwork, init_args: {")
    loss = "{PerceptualLoss: {network: compact, layers: {relu1_2: 1.0}, style_layers: {relu1_2: 1.0}}}"
    text = text.replace("L1Loss", loss).replace("degradation:", "#").replace("steps: 6", "steps: 1")
    recipe.write_text(text, encoding="utf-8")
    style = sorted(small_photos.iterdir())[0]
    assert run("train", recipe, "--photos", shards, "--style", style, "--out", tmp_path, "--name", "style") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--photos", "s3://bucket/x-{0..9}.tar"], "pip install s3fs"),
        (["--photos", "ftp://host/x.tar"], "kind of address"),
        (["--photos", "{shards}/x-{{0..9}}.tar"], "x-0.tar, got no such file"),
        (["--photos", "{shards}", "--masks", "alpha"], "masks of photos in a folder"),
        (["--photos", "{shards}", "--memory-gib", "1"], "no memory_gib with shards"),
        (["--photos", "{shards}", "--cache-gib", "1"], "no cache_gib with shards on this machine"),
        (["--photos", "memory://x.tar", "--inputs", "{shards}", "--degradation", "null"], "pairs in folders"),
    ],
)
def test_shards_that_cannot_be_are_refused(
    words: list[str],
    message: str,
    shards: Path,
    recipe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [word.format(shards=shards) if "{shards}" in word else word for word in words]
    assert run("train", recipe, "--out", tmp_path, *words) in (1, 2)
    assert message in capsys.readouterr().err
