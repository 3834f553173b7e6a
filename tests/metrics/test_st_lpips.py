"""ST-LPIPS against its authors' package, and what it promises: tolerance to shifts, errors, no code from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from perceptualloss import st_lpips
from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.metrics import st_lpips as module
from perceptualloss.pictures.images import read_image

Theirs = Callable[[str], Callable[[Tensor, Tensor], Tensor]]


@pytest.fixture(name="theirs")
def _theirs(monkeypatch: pytest.MonkeyPatch) -> Theirs:
    """The distance of the authors' package, which imports two programs that it does not use."""
    for name in ("IPython", "torchsummary"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    from stlpips_pytorch import stlpips  # noqa: PLC0415 (only here: parts of it are not for commercial use)

    def distance(net: str) -> Callable[[Tensor, Tensor], Tensor]:
        network = stlpips.LPIPS(net=net, variant="shift_tolerant", verbose=False).eval()
        return lambda x, y: network(2 * x - 1, 2 * y - 1).detach().flatten()

    return distance


@pytest.fixture(name="photo")
def _photo() -> Tensor:
    return read_image(builtin_photos("validation")[0])[..., 60:160, 80:190]


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_equals_the_authors_package(net: str, theirs: Theirs, photo: Tensor) -> None:
    distance = theirs(net)
    noisy = (photo + 0.1 * torch.randn_like(photo)).clamp(0, 1)
    blurred = torch.nn.functional.avg_pool2d(photo, 5, stride=1, padding=2, count_include_pad=False)
    for height, width in ((100, 110), (64, 37), (21, 45)):
        pairs = torch.cat([noisy, blurred])[..., :height, :width], photo.expand(2, -1, -1, -1)[..., :height, :width]
        torch.testing.assert_close(st_lpips(*pairs, net=net), distance(*pairs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_equal_pictures_have_no_distance_and_a_shift_counts_less_than_blur(net: str, photo: Tensor) -> None:
    inner, moved = photo[..., 4:-4, 4:-4], photo[..., 4:-4, 5:-3]
    blurred = torch.nn.functional.avg_pool2d(photo, 5, stride=1)[..., 2:-2, 2:-2]
    assert ((moved - inner) ** 2).mean() > ((blurred - inner) ** 2).mean()
    assert st_lpips(inner, inner, net).item() == 0
    assert st_lpips(moved, inner, net) < st_lpips(blurred, inner, net) / 3


def test_each_picture_has_its_own_value_in_any_batch_and_no_gradient(photo: Tensor) -> None:
    outputs = torch.cat([photo, 0.5 * photo]).requires_grad_()
    distances = st_lpips(outputs, photo.expand(2, -1, -1, -1))
    assert distances.shape == (2,)
    assert not distances.requires_grad
    torch.testing.assert_close(distances[1:], st_lpips(outputs[1:], photo))
    torch.testing.assert_close(st_lpips(outputs.double(), photo.double().expand(2, -1, -1, -1)), distances)


@pytest.mark.parametrize("net", list(module.SMALLEST))
def test_the_smallest_picture_is_the_smallest_that_the_network_takes(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    least = module.SMALLEST[net]
    small = torch.rand(1, 3, least - 1, 40)
    with pytest.raises(InputError, match=f"at least {least} x {least} pixels"):
        st_lpips(small, small, net)
    monkeypatch.setitem(module.SMALLEST, net, 0)
    with pytest.raises(RuntimeError):
        st_lpips(small, small, net)
    st_lpips(torch.rand(1, 3, least, least), torch.rand(1, 3, least, least), net)


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        (torch.zeros(1, 3, 32, 32), {"net": "squeeze"}, "net to be one of alex, vgg"),
        (torch.full((1, 3, 32, 32), 255.0), {}, "Divide 8-bit values by 255"),
        (torch.zeros(1, 3, 32, 33), {}, "same shape"),
        (torch.full((1, 3, 32, 32), torch.nan), {}, "not finite"),
    ],
)
def test_errors(output: Tensor, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        st_lpips(output, torch.zeros(1, 3, 32, 32), **options)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    module._network.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'perceptualloss\[metrics\]'"):
        st_lpips(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))


def test_a_damaged_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "alex_shift_tolerant.pth"
    torch.save({"net.slice1.0.weight": torch.zeros(64, 3, 3, 3)}, file)
    monkeypatch.setattr(module, "weights_file", lambda net: file)
    module._network.cache_clear()
    with pytest.raises(InputError, match="another network"):
        st_lpips(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="cut off"):
        st_lpips(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))


def test_none_of_the_packages_code_runs() -> None:
    code = (
        "import sys, torch, perceptualloss as p; x = torch.zeros(1, 3, 32, 32); print(p.st_lpips(x, x).item());"
        "sys.exit('stlpips_pytorch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
