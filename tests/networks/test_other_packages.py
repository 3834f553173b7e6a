"""Networks of other packages, through spandrel: as their architectures compute, and nothing of a file runs."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DITN import DITN
from spandrel.architectures.DnCNN import DnCNN
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.RCAN import RCAN
from torch import Tensor, nn

from perceptualloss import cli, load_network, upscale
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.networks import other_packages
from perceptualloss.networks.other_packages import SpandrelNetwork
from perceptualloss.pictures.images import read_image, write_image

SMALL = {"num_filters": 8, "num_blocks": 1}


def compact(**options: Any) -> nn.Module:
    return Compact(**{"num_feat": 8, "num_conv": 3, "upscale": 4} | options).eval()


def saved(network: nn.Module, path: Path) -> Path:
    torch.save({"params_ema": network.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return read_image(builtin_photos("validation")[0])[..., 100:137, 150:201]  # 37 x 51


@pytest.mark.parametrize("build", [compact, lambda: ESRGAN(**SMALL).eval(), lambda: ESRGAN(scale=2, **SMALL).eval()])
def test_it_computes_what_the_architecture_does(build: Any, photo: Tensor, tmp_path: Path) -> None:
    network = build()
    file = saved(network, tmp_path / "x.pth")
    before = torch.get_rng_state()
    loaded = load_network(file)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.inference_mode():
        expected = network(photo).clamp(0, 1)
    assert loaded.scale == expected.shape[-1] // photo.shape[-1]
    torch.testing.assert_close(loaded(photo), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(upscale(photo[0], network=str(file)), expected[0], atol=1e-6, rtol=0)
    save_file(network.state_dict(), tmp_path / "x.safetensors")
    assert torch.equal(load_network(tmp_path / "x.safetensors")(photo), loaded(photo))


def test_sizes_that_it_does_not_take_are_mirrored_and_cut(tmp_path: Path) -> None:
    network = ESRGAN(in_nc=48, shuffle_factor=4, **SMALL).eval()  # wants multiples of 4, and gives pixels of one size
    loaded = load_network(saved(network, tmp_path / "x.pth"))
    assert loaded.scale == 1
    x = torch.rand(1, 3, 6, 9)
    mirrored = torch.cat([x, x[..., 4:5, :], x[..., 3:4, :]], dim=-2)
    mirrored = torch.cat([mirrored, mirrored[..., 7:8], mirrored[..., 6:7], mirrored[..., 5:6]], dim=-1)
    with torch.inference_mode():
        expected = network(mirrored).clamp(0, 1)[..., :6, :9]
    torch.testing.assert_close(loaded(x), expected, atol=1e-6, rtol=0)
    for height, width in ((1, 1), (1, 9), (5, 2), (8, 4)):
        assert loaded(torch.rand(2, 3, height, width)).shape == (2, 3, height, width)


def test_a_network_that_changes_its_input_leaves_ours_and_a_batch_is_its_pictures(tmp_path: Path) -> None:
    network = RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=16).eval()
    loaded, x = load_network(saved(network, tmp_path / "x.pth")), torch.rand(2, 3, 9, 7)
    before = x.clone()
    both = loaded(x)
    assert torch.equal(x, before)
    torch.testing.assert_close(both, torch.cat([loaded(x[:1]), loaded(x[1:])]))


def test_tiles_give_the_whole_picture_where_the_reach_is_known(photo: Tensor, tmp_path: Path) -> None:
    loaded = load_network(saved(compact(), tmp_path / "x.pth"))
    assert loaded.reach == 5  # five 3 x 3 convolutions
    torch.testing.assert_close(transform_in_tiles(loaded, photo, tile=16), loaded(photo), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "network",
    [
        ESRGAN(num_filters=4, num_blocks=23),  # looks 350 pixels far
        RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=16),  # looks at the mean of the picture
        DITN(dim=16, ITL_blocks=1, SAL_blocks=1, UFONE_blocks=1, upscale=2, patch_size=8),  # works in patches of 8
    ],
    ids=["far", "mean", "patches"],
)
def test_where_it_is_not_known_a_line_says_so_once_and_when_it_matters(
    network: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded, x = load_network(saved(network, tmp_path / "x.pth")), torch.rand(1, 3, 24, 17)
    with caplog.at_level(logging.WARNING):
        transform_in_tiles(loaded, x)
        assert not caplog.messages
        for _ in range(2):
            transform_in_tiles(loaded, x, tile=16)
    assert loaded.reach is None
    assert len([line for line in caplog.messages if "farther than tiles overlap" in line]) == 1


def test_number_formats_that_it_does_not_take_are_refused(photo: Tensor, tmp_path: Path) -> None:
    loaded = load_network(saved(DnCNN(in_nc=3, out_nc=3, nc=8, nb=4), tmp_path / "x.pth"))
    assert loaded.precisions == ("fp32", "bf16")
    with pytest.raises(InputError, match="precision fp32 or bf16 for this network, got fp16"):
        transform_in_tiles(loaded, photo, precision="fp16")
    assert transform_in_tiles(loaded, photo, precision="bf16").isfinite().all()


def test_the_command_line_takes_it(photo: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(compact(upscale=2), tmp_path / "x2.pth")
    (tmp_path / "photos").mkdir()
    write_image(photo, tmp_path / "photos" / "a.png")
    words = ["upscale", str(tmp_path / "photos" / "a.png"), "--network", str(file), "-o", str(tmp_path / "large.png")]
    assert cli.main([*words, "--device", "cpu"]) == 0
    expected = load_network(file)(read_image(tmp_path / "photos" / "a.png"))
    assert (read_image(tmp_path / "large.png") - expected).abs().max() < 0.6 / 255
    words = ["evaluate", "--network", str(file), "bicubic", "--targets", str(tmp_path / "photos"), "--metrics", "psnr"]
    assert cli.main([*words, "--device", "cpu"]) == 0
    assert "x2" in capsys.readouterr().out


def test_without_spandrel_one_line_says_what_to_install(
    photo: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(compact(), tmp_path / "x.pth")
    monkeypatch.setattr(other_packages, "find_spec", lambda name: None)
    write_image(photo, tmp_path / "a.png")
    assert cli.main(["upscale", str(tmp_path / "a.png"), "--network", str(file), "-o", str(tmp_path / "b.png")]) == 1
    shown = capsys.readouterr().err
    assert "pip install 'perceptualloss[spandrel]'" in shown
    assert shown.count("\n") == 1
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"without a network's name.*perceptualloss\[spandrel\]"):
        load_network(tmp_path / "other.safetensors")


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def _tied(count: int) -> dict[str, Tensor]:
    return compact().state_dict() | {"body.2.weight": torch.zeros(1).expand(count, count)}


HOSTILE: dict[str, tuple[Any, str]] = {
    "a stride of 0": (_tied(100_000), " numbers in "),
    "10^9 layers": (compact().state_dict() | {"body.1000000000.weight": torch.zeros(1)}, "at most 9,999 layers"),
    "9,000 layers": (
        compact().state_dict() | {"body.9000.weight": torch.zeros(48, 8, 3, 3), "body.9000.bias": torch.zeros(48)},
        "with at most",
    ),
    "a missing tensor": ({k: v for k, v in compact().state_dict().items() if k != "body.3.weight"}, "do not fit"),
    "another shape": (compact().state_dict() | {"body.2.weight": torch.zeros(8, 8, 5, 5)}, "do not fit"),
    "NaN as a weight": (compact().state_dict() | {"body.2.bias": torch.full((8,), torch.nan)}, "NaN or infinity"),
    "one channel": (compact(num_in_ch=1, num_out_ch=1).state_dict(), "from 1 channels to 1"),
    "four channels": (compact(num_in_ch=4, num_out_ch=4).state_dict(), "from 4 channels to 4"),
    "another architecture": ({"a.weight": torch.zeros(3)}, "of an architecture that spandrel knows"),
    "no weights": ({"epoch": 3}, "without a tensor in it"),
    "a list": ([torch.zeros(3)], "without a tensor in it"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_is_refused_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, message = HOSTILE[name]
    torch.save(content, tmp_path / "x.pth")
    _refused(tmp_path / "x.pth", message, capsys)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".PTH"])
def test_a_pickle_does_not_run(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, ran = tmp_path / f"x{suffix}", tmp_path / "ran"
    contents = [
        {"params": compact().state_dict() | {"body.0.weight": _Touch(ran)}},
        _Touch(ran),
    ]
    for content in contents:
        torch.save(content, file)
        _refused(file, "more than weights", capsys)
        torch.save(content, file, _use_new_zipfile_serialization=False)
        _refused(file, "weights in", capsys)
        file.write_bytes(pickle.dumps(content))
        _refused(file, "weights in", capsys)
    assert not ran.exists()
    pickle.loads(pickle.dumps(_Touch(ran)))
    assert ran.exists()  # so it would have


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_a_program_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".pt", ".pth"):
        torch.jit.trace(compact(), torch.rand(1, 3, 8, 8)).save(str(tmp_path / f"x{suffix}"))
        _refused(tmp_path / f"x{suffix}", "TorchScript", capsys)


def _refused(file: Path, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    picture = file.with_suffix(".png")
    write_image(torch.zeros(3, 4, 4), picture)
    assert cli.main(["upscale", str(picture), "--network", str(file), "-o", str(file.with_name("out.png"))]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    assert message in shown
    assert len(shown) < 600
    assert not file.with_name("out.png").exists()


def _descriptor(**changes: Any) -> Any:
    usual = {"purpose": "SR", "input_channels": 3, "output_channels": 3, "scale": 2, "supports_half": True}
    named = {"architecture": SimpleNamespace(name="X"), "tiling": SimpleNamespace(name="SUPPORTED")}
    return SimpleNamespace(**usual | named | {"supports_bfloat16": True, "model": nn.Identity()} | changes)


def test_faces_and_masks_are_refused_and_what_restores_light_is_not_cut() -> None:
    for purpose in ("FaceSR", "Inpainting"):
        with pytest.raises(InputError, match=f"whole pictures, got X, which is for {purpose}"):
            SpandrelNetwork(_descriptor(purpose=purpose))
    assert not SpandrelNetwork(_descriptor()).whole
    discouraged = SimpleNamespace(name="DISCOURAGED")
    assert not SpandrelNetwork(_descriptor(tiling=discouraged)).whole
    assert SpandrelNetwork(_descriptor(tiling=discouraged, purpose="Restoration")).whole
    assert SpandrelNetwork(_descriptor(tiling=SimpleNamespace(name="INTERNAL"))).whole
