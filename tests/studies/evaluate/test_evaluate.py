"""Evaluating folders and networks: figures with a known answer, and what may go wrong."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from perceptualloss.apply.upscale import upscaler
from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES
from perceptualloss.files import json_text, to_json
from perceptualloss.metrics import registry
from perceptualloss.metrics.protocol import Convention
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.registry import metric, register_metric
from perceptualloss.metrics.ssim import ssim
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Upscale2x, Upscale4x
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.images import open_picture, read_image, write_image
from perceptualloss.pictures.picture import fill_hidden
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.evaluate import candidates, measuring
from perceptualloss.studies.evaluate.error_maps import write_error_maps
from perceptualloss.studies.evaluate.evaluate import evaluate
from perceptualloss.studies.evaluate.report import render_evaluation
from perceptualloss.studies.evaluate.results import as_data, csv_text, sentence
from perceptualloss.studies.evaluate.statistics import compare_paired

# Lim et al., EDSR, 2017: bicubic interpolation.
PUBLISHED = {
    ("Set5", 2): (33.66, 0.9299),
    ("Set5", 3): (30.39, 0.8682),
    ("Set5", 4): (28.42, 0.8104),
    ("Set14", 2): (30.24, 0.8688),
    ("Set14", 3): (27.55, 0.7742),
    ("Set14", 4): (26.00, 0.7027),
}
LEVELS = {"a": 10, "b": 20, "c": 5}


def write(folder: Path, **pictures: Tensor) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        write_image(picture, folder / f"{name}.png")
    return folder


@pytest.fixture(name="targets")
def _targets(tmp_path: Path) -> Path:
    """Three pictures, one of another size, between 50 and 150 of 255 levels."""
    sizes = {"a": (24, 20), "b": (24, 20), "c": (30, 21)}
    return write(tmp_path / "targets", **{n: torch.randint(50, 150, (1, 3, *s)) / 255.0 for n, s in sizes.items()})


def shifted(targets: Path, folder: Path, levels: dict[str, int], suffix: str = "") -> Path:
    """Write outputs that are brighter by so many levels: their PSNR is 20 log10(255 / levels)."""
    pictures = {f"{n}{suffix}": read_image(targets / f"{n}.png") + by / 255 for n, by in levels.items()}
    return write(folder, **pictures)


def decibels(levels: float) -> float:
    return 20 * math.log10(255 / levels)


@pytest.mark.parametrize(("name", "scale"), PUBLISHED)
def test_bicubic_has_the_published_figures(name: str, scale: int, shared: Path) -> None:
    folder = shared / "data" / "benchmarks" / name / f"image_SRF_{scale}"
    found = evaluate([], folder, networks=["bicubic"], scale=scale, metrics=["psnr", "ssim"])
    psnr, ssim = PUBLISHED[name, scale]
    assert len(found.pictures) == {"Set5": 5, "Set14": 14}[name]
    assert found.means["bicubic"]["psnr"].value == pytest.approx(psnr, abs=0.02)
    assert found.means["bicubic"]["ssim"].value == pytest.approx(ssim, abs=0.001)


def test_folders_of_several_candidates(targets: Path, tmp_path: Path) -> None:
    near = shifted(targets, tmp_path / "near", dict.fromkeys(LEVELS, 2), "_SR")
    far = shifted(targets, tmp_path / "far", LEVELS, "x4")
    seen: list[tuple[int, int]] = []
    found = evaluate(
        [far, near], targets, metrics=["psnr", "mse"], progress=lambda done, total: seen.append((done, total))
    )
    assert found.candidates == ["far", "near"]
    assert found.pictures == ["a", "b", "c"]
    for name, level in LEVELS.items():
        assert found.values["far"]["psnr"][name] == pytest.approx(decibels(level), abs=1e-6)
        assert found.values["near"]["mse"][name] == pytest.approx((2 / 255) ** 2, rel=1e-6)
    mean = found.means["far"]["psnr"]
    assert mean.value == pytest.approx(sum(map(decibels, LEVELS.values())) / 3)
    assert mean.low < mean.value < mean.high
    assert found.pairs["near"]["psnr"].wins == 3
    assert found.differing()[0][0] == "b"
    assert seen[-1] == (3, 3)
    assert not found.problems
    assert not found.unmatched
    assert "near is" in found.verdict[0]


def test_only_pictures_that_all_have_count(targets: Path, tmp_path: Path) -> None:
    all_three = shifted(targets, tmp_path / "x", LEVELS)
    two = shifted(targets, tmp_path / "y", {"a": 1, "c": 1})
    found = evaluate([all_three, two], targets, metrics=["psnr"])
    assert found.pictures == ["a", "c"]
    assert set(found.values["x"]["psnr"]) == {"a", "c"}
    assert set(found.unmatched) == {targets / "b.png", all_three / "b.png"}


def test_one_bad_file_does_not_end_it(targets: Path, tmp_path: Path) -> None:
    outputs = shifted(targets, tmp_path / "out", LEVELS)
    (outputs / "b.png").write_bytes(b"no picture")
    write(outputs, c=torch.rand(1, 3, 8, 8))
    found = evaluate([outputs], targets, metrics=["psnr"])
    assert found.pictures == ["a"]
    assert sorted(found.failed) == ["b", "c"]
    assert str(outputs / "b.png") in found.problems["b"]
    assert "21 x 30 pixels, got 8 x 8" in found.problems["c"]
    assert found.failed == ["b", "c"]
    (outputs / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"pictures that can be measured.*to be a picture"):
        evaluate([outputs], targets, metrics=["psnr"])


def test_what_a_measure_refuses_is_named_and_the_rest_is_measured(targets: Path, tmp_path: Path) -> None:
    outputs = shifted(targets, tmp_path / "out", LEVELS)
    file = tmp_path / "weights.safetensors"
    save_file(ARCHITECTURES["squeezenet"]().state_dict(), file)
    lpips = f"lpips-squeeze:weights={file}"
    found = evaluate([outputs], targets, metrics=["psnr", "ms_ssim", lpips], crop_border=9)
    assert set(found.problems) == {f"{n}: {m}" for n in "abc" for m in ("MS-SSIM", "LPIPS (SqueezeNet)")}
    assert "pixels" in found.problems["a: MS-SSIM"]
    assert set(found.values["out"]["psnr"]) == {"a", "b", "c"}
    assert math.isnan(found.means["out"]["ms_ssim"].value)


def test_outputs_may_miss_the_last_pixels(targets: Path, tmp_path: Path) -> None:
    pictures = {n: read_image(targets / f"{n}.png")[..., :-2, :-1] + 5 / 255 for n in ("c",)}
    outputs = write(tmp_path / "out", **pictures)  # 28 x 20 of 30 x 21
    found = evaluate([outputs], targets, scale=4, metrics=["psnr"], crop_border=0)
    assert found.values["out"]["psnr"]["c"] == pytest.approx(decibels(5 * 219 / 255), abs=0.3)
    with pytest.raises(InputError, match="say --scale"):
        evaluate([outputs], targets, metrics=["psnr"])


def test_grey_files_are_measured_as_grey(tmp_path: Path) -> None:
    values = torch.randint(50, 150, (20, 20), dtype=torch.uint8)
    for folder, picture in (("targets", values), ("out", values + 10)):
        (tmp_path / folder).mkdir()
        Image.fromarray(picture.numpy()).save(tmp_path / folder / "a.png")
    found = evaluate([tmp_path / "out"], tmp_path / "targets", protocol="sr", crop_border=2, metrics=["psnr"])
    assert found.means["out"]["psnr"].value == pytest.approx(decibels(10), abs=1e-6)


def test_networks_and_folders_side_by_side(targets: Path, tmp_path: Path) -> None:
    file = save_network(Upscale2x(), tmp_path / "mine.safetensors")  # fresh: bilinear with align_corners=True
    outputs = shifted(targets, tmp_path / "out", LEVELS)
    found = evaluate([outputs], targets, networks=[str(file), "bicubic"], metrics=["psnr", "perceptual_distance"])
    assert found.candidates == ["out", "mine", "bicubic"]
    assert found.convention == "luminance (Y), 8 bits, without a border of 2 px"
    assert found.values["mine"]["psnr"] != found.values["bicubic"]["psnr"]
    looked = found.look("c")
    assert {name: tuple(output.shape) for name, output in looked.outputs.items()} == dict.fromkeys(
        ("out", "mine", "bicubic"), (1, 3, 30, 20)
    )
    with pytest.raises(InputError, match="one scale for all networks, got 2 and 4"):
        evaluate([], targets, networks=[str(file), str(save_network(Upscale4x(), tmp_path / "x.safetensors"))])


def test_batches_and_threads_change_nothing(targets: Path, tmp_path: Path) -> None:
    outputs = shifted(targets, tmp_path / "out", LEVELS)
    names = ["psnr", "ssim", "perceptual_distance"]
    whole = evaluate([outputs], targets, metrics=names, workers=3)
    for name in LEVELS:
        one = evaluate([outputs / f"{name}.png"], targets / f"{name}.png", metrics=names, workers=1)
        for key in names:
            assert one.values[f"{name}.png"][key][name] == pytest.approx(whole.values["out"][key][name], abs=1e-6)


def test_what_would_not_fit_into_memory_is_left_out_and_told(
    targets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = shifted(targets, tmp_path / "out", LEVELS)
    area = read_image(targets / "a.png")[0, 0].numel()
    for free in (None, 1500 * area, 1500 * area - 1):
        monkeypatch.setattr(measuring, "free_memory", lambda place, free=free: free)
        found = evaluate(
            [outputs / "a.png"], targets / "a.png", metrics=["psnr", "perceptual_distance", "st_lpips_vgg"]
        )
        ((candidate, means),) = found.means.items()
        assert means["perceptual_distance"].value > 0, candidate
        assert math.isnan(means["st_lpips_vgg"].value) == (free == 1500 * area - 1)
    assert "GiB of free memory for ST-LPIPS VGG" in found.problems["a: ST-LPIPS VGG"]


def test_candidates_of_one_name_are_told_apart(targets: Path, tmp_path: Path) -> None:
    first, second = (shifted(targets, tmp_path / run / "out", LEVELS) for run in ("one", "two"))
    assert evaluate([first, second], targets, metrics=["mse"]).candidates == ["one/out", "two/out"]
    bicubic = shifted(targets, tmp_path / "bicubic", LEVELS)
    with pytest.raises(InputError, match="bicubic twice"):
        evaluate([bicubic], targets, networks=["bicubic"], scale=2)
    with pytest.raises(InputError, match="different candidates"):
        evaluate([first, first], targets, metrics=["mse"])


def test_json_and_csv_hold_everything(targets: Path, tmp_path: Path) -> None:
    outputs = shifted(targets, tmp_path / "out", LEVELS | {"a": 0})
    other = shifted(targets, tmp_path / "other", LEVELS)
    found = evaluate([other, outputs], targets, metrics=["psnr", "ms_ssim"])
    read = json.loads(json_text(as_data(found)), parse_constant=pytest.fail)
    assert read == to_json(as_data(found))
    assert read["candidates"]["out"]["pictures"]["a"]["psnr"] == "inf"
    assert read["candidates"]["out"]["mean"]["ms_ssim"]["value"] is None
    assert read["against_the_first"]["out"]["psnr"]["wins"] == 1
    assert set(read["problems"]) == {f"{name}: MS-SSIM" for name in LEVELS}
    rows = list(csv.DictReader(io.StringIO(csv_text(found))))
    assert len(rows) == 6
    assert float(rows[1]["psnr"]) == math.inf
    assert rows[1]["candidate"] == "out"
    assert rows[0]["ms_ssim"] == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "outputs or a network"),
        ({"networks": ["bicubic"]}, "a scale for interpolation"),
        ({"networks": ["none.safetensors"]}, "a saved network"),
        ({"networks": ["bicubic"], "scale": 1}, "networks that enlarge"),
        ({"networks": ["bicubic"], "scale": 2, "metrics": ["psnr", "psnr"]}, "different metrics"),
        ({"networks": ["bicubic"], "scale": 2, "protocol": "srr"}, "Did you mean 'sr'"),
        ({"networks": ["bicubic"], "scale": 2, "device": "tpu"}, "expected a device"),
        ({"networks": ["bicubic"], "scale": 2, "workers": -1}, "workers to be 1 or more"),
        ({"networks": ["bicubic"], "scale": 2, "crop_border": -1}, "crop_border from 0"),
        ({"networks": ["bicubic"], "scale": 2, "suffix": ["_x"]}, "no suffix without outputs"),
        ({"tile": 5}, "no tile without networks"),
        ({"precision": "fp16"}, "no precision without networks"),
        ({"backend": "onnx"}, "no backend without networks"),
        ({"networks": ["bicubic"], "scale": 50}, "a target of at least 50 pixels"),
    ],
)
def test_unusable_settings_are_refused(options: dict[str, object], message: str, targets: Path) -> None:
    with pytest.raises(InputError, match=message):
        evaluate([], targets, **options)  # type: ignore[arg-type]


def test_sentences_say_better_noise_or_too_few() -> None:
    psnr, distance = metric("psnr"), metric("perceptual_distance")
    b = [float(n % 7) for n in range(20)]
    above = [v + 1 + 0.01 * n for n, v in enumerate(b)]
    better = compare_paired(above, b, higher_is_better=True)
    assert sentence(psnr, "new", "old", better) == (
        "PSNR: new is better than old, 1.10 dB higher on average (95% interval 1.07 to 1.12), on 20 of 20 pictures."
    )
    worse = compare_paired(above, b, higher_is_better=False)
    assert sentence(distance, "new", "old", worse).startswith(
        "Embedded judge: old is better than new, 1.0950 lower on average (95% interval 1.0695 to 1.1195)"
    )
    noise = compare_paired([v + (-1) ** n + 0.01 for n, v in enumerate(b)], b, higher_is_better=True)
    assert "within the noise" in sentence(psnr, "new", "old", noise)
    few = compare_paired([2.0, 3.0], [1.0, 1.0], higher_is_better=True)
    assert "so few pictures do not tell: chance alone gives that in 50%" in sentence(psnr, "new", "old", few)
    assert "do not differ" in sentence(psnr, "new", "old", compare_paired(b, b, higher_is_better=True))
    crossed = compare_paired([1.0, 2.0, 3.0], [2.0, 1.0, 3.0], higher_is_better=True)
    assert sentence(psnr, "new", "old", crossed) == (
        "PSNR: new and old are alike on average; new is better on 1 and old on 1 of 3 pictures."
    )
    same = [math.inf] * 20
    for pair, text in (
        ((same, b), "new is better than old on 20 of 20 pictures, infinitely on 20."),
        ((b, same), "old is better than new on 20 of 20 pictures, infinitely on 20."),
        ((same[:2], b[:2]), "new is better than old on 2 of 2 pictures, infinitely on 2, but so few pictures"),
        (([math.inf, 1.0], [1.0, math.inf]), "new and old are each better on 1 of 2 pictures, infinitely on 2."),
        ((same, same), "new and old do not differ."),
    ):
        assert sentence(psnr, "new", "old", compare_paired(*pair, higher_is_better=True)).startswith(f"PSNR: {text}")


def test_what_one_candidate_lacks_is_left_out_of_all(
    targets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_ENTRIES", "FUNCTIONS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    folders = [shifted(targets, tmp_path / name, LEVELS | {"b": by}) for name, by in (("x", 5), ("y", 60), ("z", 90))]

    def odd(output: Tensor, target: Tensor) -> Tensor:
        error = (output - target).abs().mean(dim=(1, 2, 3))
        if (error > 80 / 255).any():
            raise RuntimeError("too\nfar")
        return torch.where(error > 40 / 255, math.nan, error)

    register_metric("odd", label="odd error", higher_is_better=False)(odd)
    for several, why in ((folders[:2], "not a number (NaN) for y"), (folders[::2], "RuntimeError: too far")):
        found = evaluate(several, targets, metrics=["odd", "mse"])
        assert {key: set(v["odd"]) for key, v in found.values.items()} == {f.name: {"a", "c"} for f in several}
        assert all(set(v["mse"]) == set("abc") for v in found.values.values())
        assert found.problems == {"b: odd error": why}
        assert not found.failed


TARGETS = {  # a picture of 24 x 21 of each kind that there is, as write_image takes it
    "rgb": {},
    "grey": {"grey": True},
    "alpha": {"alpha": torch.linspace(-1, 1.2, 504).reshape(1, 24, 21).clamp(0, 1)},
    "grey_alpha": {"grey": True, "alpha": torch.linspace(-1, 1.2, 504).reshape(1, 24, 21).clamp(0, 1)},
    "deep": {"bits": 16},
}


@pytest.mark.parametrize("protocol", ["course", "sr"])
def test_a_network_is_measured_as_its_files_are(protocol: str, tmp_path: Path) -> None:
    """Small files are written, enlarged into other files, and these measured: the same figures, all digits."""
    network = ResidualUpscaler(2, width=8, blocks=1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    file = save_network(network, tmp_path / "mine.safetensors")
    for folder in ("small", "files", "targets"):
        (tmp_path / folder).mkdir()
    tool = upscaler(network=file, device="cpu", tile=7)
    for name, kind in TARGETS.items():
        photo = torch.rand(1, 3, 6, 6).clamp(0.1, 0.9)
        target = resize(photo, size=(24, 21)).clamp(0, 1)
        write_image(target, tmp_path / "targets" / f"{name}.png", **kind)
        whole = open_picture(tmp_path / "targets" / f"{name}.png")
        colours, alpha = whole.colours[..., :20], kind.get("alpha")
        if alpha is not None:
            assert whole.alpha is not None
            alpha = whole.alpha[..., :20]
            colours, alpha = fill_hidden(colours, alpha), resize(alpha, 0.5).clamp(0, 1)
        small = tmp_path / "small" / f"{name}.png"
        write_image(resize(colours, 0.5).clamp(0, 1), small, **(kind | ({} if alpha is None else {"alpha": alpha})))
        tool.file(small, tmp_path / "files" / f"{name}.png")
    found = evaluate(
        [tmp_path / "files"], tmp_path / "targets", networks=[str(file)], metrics=["mse", "ssim"],
        protocol=protocol, tile=7, device="cpu",
    )  # fmt: skip
    assert not found.problems
    for key, values in found.values["mine"].items():
        assert set(values) == set(TARGETS)
        assert values == pytest.approx(found.values["files"][key], rel=1e-6)


def test_networks_are_opened_once_and_pictures_transformed_once(
    targets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [str(save_network(ResidualUpscaler(2, width=8, blocks=1), tmp_path / f"{n}.safetensors")) for n in "xy"]
    opened: list[object] = []
    ran: list[tuple[int, ...]] = []
    load_network, forward = candidates.load_network, ResidualUpscaler.forward
    monkeypatch.setattr(candidates, "load_network", lambda name: opened.append(name) or load_network(name))

    def run(self: ResidualUpscaler, images: Tensor) -> Tensor:
        ran.append(tuple(images.shape))
        return forward(self, images)

    monkeypatch.setattr(ResidualUpscaler, "forward", run)
    found = evaluate([], targets, networks=[*files, "bicubic"], metrics=["psnr"], device="cpu")
    render_evaluation(found)
    write_error_maps(found, tmp_path / "errors")
    assert opened == files
    assert sorted(ran) == sorted(2 * [(1, 3, 12, 10), (1, 3, 12, 10), (1, 3, 15, 10)])
    shown = found.look("a").outputs["x"]
    assert float(psnr(shown[..., 2:-2, 2:-2], found.look("a").target[..., 2:-2, 2:-2], y_channel=True)) > 5
    evaluate([], targets, networks=files[:1], metrics=["psnr"], tile=5, device="cpu")
    assert len(ran) == 6 + 2 * 3 * 2 + 3 * 2


def test_a_picture_on_which_a_network_fails_is_left_out_of_all(
    targets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save_network(ResidualUpscaler(2, width=8, blocks=1), tmp_path / "mine.safetensors")
    outputs, forward = shifted(targets, tmp_path / "out", LEVELS), ResidualUpscaler.forward

    def run(self: ResidualUpscaler, images: Tensor) -> Tensor:
        if images.shape[2] == 15:
            raise RuntimeError("an odd size")
        return forward(self, images)

    monkeypatch.setattr(ResidualUpscaler, "forward", run)
    found = evaluate([outputs], targets, networks=[str(file)], metrics=["psnr"], device="cpu")
    assert (found.failed, found.problems) == (["c"], {"c": "RuntimeError: an odd size"})
    assert {name: set(values["psnr"]) for name, values in found.values.items()} == {"out": set("ab"), "mine": set("ab")}


def test_how_many_values_are_infinite_stands_beside_the_mean(targets: Path, tmp_path: Path) -> None:
    found = evaluate([shifted(targets, tmp_path / "out", LEVELS | {"a": 0})], targets, metrics=["psnr"])
    mean = found.means["out"]["psnr"]
    assert (mean.value, mean.infinite) == (math.inf, 1)
    assert mean.rest == pytest.approx((decibels(20) + decibels(5)) / 2)
    one, two = (shifted(targets, tmp_path / n, LEVELS | {"a": 0, "b": b}) for n, b in (("one", 3), ("two", 4)))
    assert evaluate([one, two], targets, metrics=["psnr"]).differing()[0] == ["b", "a", "c"]


def test_what_stands_behind_names_can_be_said(targets: Path, tmp_path: Path) -> None:
    outputs = shifted(targets, tmp_path / "out", LEVELS, "_v2_300")
    with pytest.raises(InputError, match="no pair"):
        evaluate([outputs], targets, metrics=["psnr"])
    found = evaluate([outputs], targets, metrics=["psnr"], suffix=["_v2_300"])
    assert found.values["out"]["psnr"]["b"] == pytest.approx(decibels(20), abs=1e-6)


@pytest.mark.parametrize("masks", ["alpha", "folder"])
def test_under_masks_only_what_counts_is_measured(masks: str, tmp_path: Path) -> None:
    for folder in ("out", "targets", "masks"):
        (tmp_path / folder).mkdir()
    target, output = torch.rand(2, 3, 40, 48)
    alpha = torch.zeros(1, 40, 48)
    alpha[:, :30] = 1
    for name in ("a", "b", "c"):
        write_image(target, tmp_path / "targets" / f"{name}.png", alpha=alpha if masks == "alpha" else None)
        write_image(output, tmp_path / "out" / f"{name}.png")
        if name != "c" or masks == "alpha":
            write_image(alpha.expand(3, -1, -1), tmp_path / "masks" / f"{name}.png", grey=True)
    names = ["psnr", "ssim", "perceptual_distance"]
    where = "alpha" if masks == "alpha" else tmp_path / "masks"
    found = evaluate([tmp_path / "out"], tmp_path / "targets", masks=where, masking="exact", metrics=names)
    cut = [read_image(tmp_path / folder / "a.png")[..., :30, :] for folder in ("out", "targets")]
    values = found.values["out"]
    assert values["psnr"]["a"] == pytest.approx(float(psnr(*cut)), abs=1e-4)
    assert values["ssim"]["b"] == pytest.approx(float(ssim(*cut)), abs=1e-4)
    assert len(values["psnr"]) == (3 if masks == "alpha" else 2)
    assert masks == "alpha" or "a mask for" in found.problems["c"]
    assert not values["perceptual_distance"]  # a position of relu4_2 sees 92 pixels
    assert "92 x 92 pixels" in " ".join(found.problems.values())


def test_a_measure_without_masks_is_left_out_unless_it_was_asked_for(tmp_path: Path) -> None:
    for folder in ("out", "targets"):
        (tmp_path / folder).mkdir()
        write_image(torch.rand(3, 40, 48), tmp_path / folder / "a.png", alpha=torch.ones(1, 40, 48))
    found = evaluate([tmp_path / "out"], tmp_path / "targets", masks="alpha")
    assert found.missing["ssimulacra2"] == "SSIMULACRA 2 takes no mask"
    with pytest.raises(InputError, match="metrics that take a mask, got SSIMULACRA 2"):
        evaluate([tmp_path / "out"], tmp_path / "targets", masks="alpha", metrics=["ssimulacra2"])
    with pytest.raises(InputError, match="no masking without masks"):
        evaluate([tmp_path / "out"], tmp_path / "targets", masking="exact")


def test_what_measures_see_alike_is_made_once(targets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    pixels = Convention.pixels

    def counted(self: Convention, images: Tensor, *rest: Any) -> Tensor:
        seen.append(tuple(images.shape))
        return pixels(self, images, *rest)

    monkeypatch.setattr(Convention, "pixels", counted)
    outputs = [tmp_path / "a", tmp_path / "b"]
    for folder in outputs:
        shutil.copytree(targets, folder)
    found = evaluate(outputs, targets, scale=2, metrics=["psnr", "ssim", "ssim:channel=rgb"])
    pictures = len(found.values["a"]["psnr"])
    assert len(seen) == pictures * (1 + len(outputs)) * 2  # luminance, and RGB
