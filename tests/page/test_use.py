"""What a visitor does: a picture goes in, is changed, looked at and taken home."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perceptualloss import stylize, upscale
from perceptualloss.apply import restore
from perceptualloss.apply.upscale import upscaler
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.named import shipped_restorers
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.page import tasks, tools
from perceptualloss.page.examples import SPOILT, examples


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def same(first: Any, second: Any) -> bool:
    return np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_a_download_is_what_the_command_writes(
    visitor: Any, png: Callable[..., bytes], tmp_path: Path, form: str
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a camera", 6  # upright is a quarter turn from here
    data = png(exif=exif, dpi=(300, 300))
    picture = visitor.picture(data, "Ferien am See.png")
    assert (picture["width"], picture["height"], picture["name"]) == (12, 16, "Ferien am See.png")
    made = visitor.result(task="upscale", picture=picture["id"], scale=2, kind=None, perception=0.25)
    assert (made["width"], made["height"]) == (24, 32)
    visitor.result(task="write", result=made["id"], format=form, strip=False)
    answer = visitor.client.get(f"/api/results/{made['id']}/{form}")
    suffix = tasks.FORMATS[form][0]
    assert answer.headers["content-type"] == tasks.FORMATS[form][1]
    assert f'attachment; filename="Ferien-am-See-upscale{suffix}"' == answer.headers["content-disposition"]
    (tmp_path / "source.png").write_bytes(data)
    upscaler(2, perception=0.25).file(tmp_path / "source.png", tmp_path / f"large{suffix}")
    assert answer.content == (tmp_path / f"large{suffix}").read_bytes()
    assert opened(answer.content).getexif()[0x010F] == "a camera"
    assert same(visitor.view(made["id"]), opened(answer.content))


def test_metadata_are_left_out_on_demand(visitor: Any, png: Callable[..., bytes]) -> None:
    picture = visitor.picture(png(dpi=(300, 300)))
    made = visitor.result(task="upscale", picture=picture["id"], scale=2, kind="adversarial")
    for strip in (False, True):
        visitor.result(task="write", result=made["id"], format="jpeg", strip=strip)
        file = visitor.client.get(f"/api/results/{made['id']}/jpeg", params={"strip": int(strip)})
        assert ("dpi" in opened(file.content).info) is not strip


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_grey_and_transparency_stay(visitor: Any, png: Callable[..., bytes], channels: int) -> None:
    data = png(channels=channels)
    picture = visitor.picture(data)
    made = visitor.result(task="upscale", picture=picture["id"], scale=2, kind="mse")
    visitor.result(task="write", result=made["id"], format="png", strip=True)
    file = opened(visitor.client.get(f"/api/results/{made['id']}/png?strip=1").content)
    assert same(file, upscale(opened(data), 2))
    assert visitor.view(made["id"]).mode == ("RGB" if channels == 1 else "RGBA")
    if channels != 1:
        job = visitor.done(task="write", result=made["id"], format="jpeg", strip=False)
        assert (job["state"], job["error"]["code"]) == ("failed", "no_transparency")


def test_sixteen_bits_and_animations_stay(visitor: Any) -> None:
    buffer = io.BytesIO()
    samples = np.random.default_rng(0).integers(0, 2**16, (9, 8), dtype=np.uint16)
    Image.fromarray(samples).save(buffer, "PNG")
    deep = visitor.picture(buffer.getvalue())
    made = visitor.result(task="upscale", picture=deep["id"], scale=2, kind="mse")
    visitor.result(task="write", result=made["id"], format="png", strip=True)
    file = opened(visitor.client.get(f"/api/results/{made['id']}/png?strip=1").content)
    assert same(file, upscale(samples, 2))

    first, second = (Image.new("RGB", (6, 5), colour) for colour in ("red", "blue"))
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=[second], duration=70)
    moving = visitor.picture(buffer.getvalue(), "b.gif")
    assert moving["frames"] == 2
    made = visitor.result(task="upscale", picture=moving["id"], scale=2, kind="mse")
    visitor.result(task="write", result=made["id"], format="webp", strip=False)
    assert getattr(opened(visitor.client.get(f"/api/results/{made['id']}/webp").content), "n_frames", 1) == 2
    told = visitor.result(task="write", result=made["id"], format="jpeg", strip=False)
    assert "the first of 2 frames alone is written" in told["more"]["files"]["full.jpg"][0]


def test_painting_is_what_stylize_does(visitor: Any, png: Callable[..., bytes]) -> None:
    data = png(24, 20)
    picture = visitor.picture(data)
    options: dict[str, Any] = {"style": "wave", "strength": 0.5, "keep_colors": True, "size": 32}
    made = visitor.result(task="stylize", picture=picture["id"], **options)
    assert same(visitor.view(made["id"]), stylize(opened(data), **options))


def test_restoring_is_what_restore_does(
    visitor: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = save_network(SubPixelUpscaler(1, width=4, blocks=1, reduce=2), tmp_path / "restore-denoise.safetensors")
    monkeypatch.setattr(restore, "shipped_restorers", lambda: {"denoise": file})
    monkeypatch.setitem(visitor.page.tasks.offers, "restore", ["denoise"])
    tools.restoring.cache_clear()
    data = png(24, 20)
    request = {"task": "restore", "picture": visitor.picture(data)["id"], "of": "denoise"}
    made = visitor.result(**request, strength=0.5)
    tools.restoring.cache_clear()
    assert same(visitor.view(made["id"]), restore.restore(opened(data), "noise", strength=0.5))
    assert visitor.ask(**request | {"of": "file"}, strength=1).status_code == 400


def test_a_loss_map_shows_where_two_differ(visitor: Any, png: Callable[..., bytes]) -> None:
    picture = visitor.picture(png(16, 16))
    results = [
        visitor.result(task="upscale", picture=picture["id"], scale=2, kind=None, perception=end) for end in (0, 1)
    ]
    made = visitor.result(task="map", first=results[0]["id"], second=results[1]["id"], layer="relu2_2")
    assert (made["width"], made["height"]) == (32, 32)
    assert made["more"]["loss"] > 0
    assert not made["more"]["resized"]
    against = visitor.result(task="map", first=results[0]["id"], second=picture["id"], layer="relu1_1")
    assert against["more"]["resized"]


def test_parts_are_exact_and_reduced_ones_are_means(visitor: Any, png: Callable[..., bytes]) -> None:
    data = png(40, 30)
    name = visitor.picture(data)["id"]
    whole = np.asarray(opened(data)).astype(float)
    assert same(visitor.view(name, top=3, bottom=23, left=5, right=9, reduce=1), whole[3:23, 5:9])
    small = np.asarray(visitor.view(name, top=4, bottom=8, left=8, right=16, reduce=4))
    assert np.abs(small - whole[4:8, 8:16].reshape(1, 4, 2, 4, 3).mean(axis=(1, 3))).max() <= 0.5
    for wrong in ({"top": -1, "bottom": 4}, {"top": 4, "bottom": 4}, {"top": 0, "bottom": 41}, {"reduce": 0}):
        part = {"top": 0, "bottom": 4, "left": 0, "right": 4, "reduce": 1} | wrong
        assert visitor.client.get(f"/api/images/{name}", params=part).status_code == 400


def test_the_same_is_computed_once_and_again_when_it_is_gone(visitor: Any, png: Callable[..., bytes]) -> None:
    request = {"task": "upscale", "picture": visitor.picture(png())["id"], "scale": 2, "kind": "mse"}
    first = visitor.result(**request)
    assert visitor.result(**request)["id"] == first["id"]
    assert visitor.client.delete(f"/api/images/{first['id']}").status_code == 204
    assert visitor.result(**request)["id"] != first["id"]


def test_examples_can_be_taken(visitor: Any) -> None:
    for name in examples():
        assert opened(visitor.client.get(f"/examples/{name}.jpg").content).size == (240, 240)
        assert visitor.client.post(f"/api/examples/{name}").status_code == 201
    assert set(SPOILT) & set(examples()) == {name for name in SPOILT if SPOILT[name] in shipped_restorers()}
    told = visitor.client.post("/api/examples/chelsea").json()
    assert (told["name"], told["width"], told["height"]) == ("chelsea.png", 451, 300)


class _Held:
    """A tool that works until it is let go, and says how far it is."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> _Held:
    tool = _Held()

    @contextmanager
    def watched(_: Any, stored: Any, job: Any, number: int, count: int) -> Iterator[Any]:
        tool.entered.set()
        while not tool.release.wait(0.005):
            job.tell(0.5)
        yield None

    monkeypatch.setattr(tasks, "watched", watched)
    return tool


def test_progress_queue_and_cancelling(visit: Callable[..., Any], png: Callable[..., bytes], held: _Held) -> None:
    visitor = visit(queue=2)
    name = visitor.picture(png())["id"]
    jobs = []
    for perception in (0, 0.1, 0.2):
        jobs.append(visitor.ask(task="upscale", picture=name, scale=2, kind=None, perception=perception).json())
        assert held.entered.wait(30)
    told = [visitor.client.get(f"/api/jobs/{job['id']}").json() for job in jobs]
    assert [job["state"] for job in told] == ["running", "waiting", "waiting"]
    assert [job["position"] for job in told] == [0, 1, 2]
    full = visitor.ask(task="upscale", picture=name, scale=2, kind=None, perception=0.3)
    assert (full.status_code, full.json()["error"]["code"]) == (503, "busy")
    assert int(full.headers["retry-after"]) > 0
    for number in (1, 0):
        visitor.client.delete(f"/api/jobs/{jobs[number]['id']}")
    assert [visitor.ended(job)["state"] for job in jobs[:2]] == ["cancelled", "cancelled"]
    held.release.set()
    assert visitor.ended(jobs[2])["state"] == "done"
    assert visitor.ended(jobs[2])["share"] == 1


def test_the_page_answers_while_it_computes(visitor: Any, png: Callable[..., bytes], held: _Held) -> None:
    name = visitor.picture(png())["id"]
    job = visitor.ask(task="upscale", picture=name, scale=2, kind="mse").json()
    assert held.entered.wait(30)
    assert visitor.client.get("/").status_code == 200
    assert visitor.client.get(f"/api/jobs/{job['id']}").json()["share"] <= 0.5
    assert visitor.picture(png(seed=1))["width"] == 16
    held.release.set()


def test_how_far_a_network_is(visitor: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    tell = tasks.Job.tell
    monkeypatch.setattr(tasks.Job, "tell", lambda job, share: (shares.append(share), tell(job, share)))
    visitor.result(task="stylize", picture=visitor.picture(png())["id"], style="wave", strength=1, keep_colors=False)
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert (shares[0] < 0.2, shares[-1]) == (True, 1)
