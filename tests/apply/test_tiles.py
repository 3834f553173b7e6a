from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.errors import InputError
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.course import Generator, Upscale2x
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork


def random_network(network: TransformationNetwork) -> TransformationNetwork:
    """Return the network with a last layer that does something."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network.eval()


NETWORKS = {
    "residual4": lambda: ResidualUpscaler(4, width=6, blocks=2, detail=4),
    "residual2": lambda: ResidualUpscaler(2, width=6, blocks=1, detail=4),
    "johnson": lambda: SuperResolutionNetwork(4, width=4, blocks=1),
    "transposed": lambda: SuperResolutionNetwork(8, width=4, blocks=1, upsampling="transposed"),
    "generator": lambda: Generator(4, width=1),
    "course": Upscale2x,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_give_the_whole_picture(name: str) -> None:
    network = random_network(NETWORKS[name]())
    images = torch.rand(2, 3, 37, 50)
    with torch.no_grad():
        wanted = network(images)
    assert (wanted - wanted.mean(dim=(2, 3), keepdim=True)).std() > 1e-3
    torch.testing.assert_close(transform_in_tiles(network, images, tile=17), wanted, atol=2e-6, rtol=0)


def test_with_less_overlap_than_the_receptive_field_they_do_not() -> None:
    network = random_network(ResidualUpscaler(4, width=6, blocks=2, detail=4))
    images = torch.rand(1, 3, 37, 50)
    with torch.no_grad():
        wanted = network(images)
    assert network.reach is not None
    exact = transform_in_tiles(network, images, tile=17, overlap=network.reach)
    short = transform_in_tiles(network, images, tile=17, overlap=2)
    assert (exact - wanted).abs().max() < 2e-6
    assert (short - wanted).abs().max() > 1e-4


class Hungry(TransformationNetwork):
    """Doubles a picture, out of memory from some number of pixels on."""

    scale = 2

    def __init__(self, most: int, error: Exception) -> None:
        super().__init__()
        self.most, self.error, self.refused, self.shapes = most, error, 0, []

    @property
    def reach(self) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] * x.shape[-2] > self.most:
            self.refused += 1
            raise self.error
        self.shapes.append(tuple(x.shape[-2:]))
        return nn.functional.interpolate(x, scale_factor=2)


OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried ..."),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_tiles_become_smaller_when_memory_runs_out(error: Exception) -> None:
    network, images, told = Hungry(40 * 40, error), torch.rand(1, 3, 90, 70), []
    out = transform_in_tiles(network, images, progress=lambda done, total: told.append((done, total)))
    assert torch.equal(out, nn.functional.interpolate(images, scale_factor=2))
    assert 1 <= network.refused <= 3
    assert told[-1] == (90 * 70, 90 * 70)
    assert told == sorted(told)


def test_when_no_tile_fits_it_says_so_and_other_errors_pass() -> None:
    with pytest.raises(InputError, match="memory for a tile of"):
        transform_in_tiles(Hungry(9, MemoryError()), torch.rand(1, 3, 64, 64))
    with pytest.raises(RuntimeError, match="something else"):
        transform_in_tiles(Hungry(9, RuntimeError("something else")), torch.rand(1, 3, 64, 64))


def test_a_result_that_does_not_fit_is_an_error_of_use() -> None:
    class Enormous(nn.Identity):
        scale = 2**21

    with pytest.raises(InputError, match="memory for a result of"):
        transform_in_tiles(Enormous(), torch.rand(1, 3, 4, 4))


class Overflowing(nn.Module):
    """Fine in 32 bits, beyond half precision's largest number."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.constant_(self.conv.weight, weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * 1e-5


def test_what_overflows_in_half_precision_is_done_again() -> None:
    images = torch.rand(1, 3, 8, 8) + 0.5
    network = Overflowing(6e4)
    assert torch.equal(transform_in_tiles(network, images, precision="fp16"), transform_in_tiles(network, images))
    with pytest.raises(InputError, match="finite"):
        transform_in_tiles(Overflowing(float("inf")), images, precision="fp16")


def test_half_precision_is_close() -> None:
    network = random_network(ResidualUpscaler(2, width=6, blocks=1))
    images = torch.rand(1, 3, 12, 12)
    exact = transform_in_tiles(network, images)
    for precision, error in (("fp16", 1e-3), ("bf16", 2e-2)):
        found = transform_in_tiles(network, images, precision=precision)
        assert 0 < (found - exact).abs().max() < error


def test_the_network_keeps_its_mode_and_the_result_is_a_plain_tensor() -> None:
    network = SuperResolutionNetwork(2, width=4, blocks=1).train()
    network.body.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    out = transform_in_tiles(network, torch.rand(1, 3, 9, 9))
    assert network.training
    assert network.first.training
    assert not network.body.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not out.is_inference()
    assert not out.requires_grad


def test_bad_arguments() -> None:
    network = nn.Identity()
    with pytest.raises(InputError, match="tile from 1"):
        transform_in_tiles(network, torch.rand(1, 3, 4, 4), tile=0)
    with pytest.raises(InputError, match="precision to be one of"):
        transform_in_tiles(network, torch.rand(1, 3, 4, 4), precision="fp8")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a device such as"):
        transform_in_tiles(network, torch.rand(1, 3, 4, 4), device="gpuu")
    with pytest.raises(InputError, match="attribute scale"):
        transform_in_tiles(nn.Upsample(scale_factor=2), torch.rand(1, 3, 4, 4))
    assert transform_in_tiles(network, torch.rand(1, 3, 40, 4), tile=3).shape == (1, 3, 40, 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_picture_stays_where_it_was() -> None:
    network = random_network(ResidualUpscaler(2, width=6, blocks=1))
    images = torch.rand(1, 3, 60, 60)
    exact = transform_in_tiles(network, images)
    for tile in (None, 20):
        found = transform_in_tiles(network, images, tile=tile, device="cuda")
        assert found.device == images.device
        torch.testing.assert_close(found, exact, atol=2e-3, rtol=0)


def test_a_network_is_computed_in_the_layout_that_suits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = StyleTransferNetwork(width=4, blocks=1)
    seen: list[bool] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    picture = torch.rand(1, 3, 24, 20)
    planes = transform_in_tiles(network, picture)
    monkeypatch.setattr(network, "planes", False)
    torch.testing.assert_close(transform_in_tiles(network, picture), planes, rtol=1e-4, atol=1e-5)
    assert seen == [True, False]
    assert not StyleTransferNetwork(width=4, blocks=1, norm="batch").planes
