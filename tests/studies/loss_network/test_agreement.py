"""Agreement: distances whose figures are known by construction."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from perceptualloss.data.distortions import BETTER, STRENGTHS, WORSE
from perceptualloss.data.folder import builtin_photos
from perceptualloss.features.architectures import layers_before_pooling
from perceptualloss.features.network import loss_network
from perceptualloss.losses.distance import unit
from perceptualloss.pictures.images import read_image
from perceptualloss.studies.loss_network.agreement import (
    NetworkDistance,
    equal_psnr,
    ladders,
    mean_agreement,
    mean_squared_error,
    measure,
    random_distance,
)


@pytest.fixture(scope="module")
def photos() -> Tensor:
    """A colour piece and a grey one, 48 x 48."""
    files = {path.stem: path for path in builtin_photos()}
    return torch.cat([read_image(files[name])[..., 100:148, 150:198] for name in ("chelsea", "camera")])


@pytest.fixture(scope="module")
def distorted(photos: Tensor) -> dict[str, Tensor]:
    return ladders(list(photos))


@pytest.fixture(scope="module")
def equal(photos: Tensor) -> list[dict[str, Tensor]]:
    return [equal_psnr(photo) for photo in photos]


class Rank:
    """A distance that knows the strength: it looks up which distorted batch it is given."""

    def __init__(self, distorted: dict[str, Tensor], sign: int) -> None:
        self.levels = [(level, sign * number) for levels in distorted.values() for number, level in enumerate(levels)]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        found = [rank for level, rank in self.levels if level.shape == second.shape and torch.equal(level, second)]
        return torch.full((len(second),), float(found[0] if found else 0))


def test_ladders_hold_every_kind_and_strength(distorted: dict[str, Tensor]) -> None:
    assert distorted.keys() == STRENGTHS.keys()
    assert all(levels.shape == (5, 2, 3, 48, 48) for levels in distorted.values())


@pytest.mark.parametrize(("sign", "figure"), [(1, 100), (-1, 0)])
def test_a_distance_that_knows_gets_all_and_its_opposite_nothing(
    sign: int, figure: float, photos: Tensor, distorted: dict[str, Tensor]
) -> None:
    found = measure(Rank(distorted, sign), photos, distorted, [{}, {}])
    assert found.same_photo == found.any_photos == figure
    assert set(found.by_kind.values()) == {figure}
    assert found.means["blur"] == [0, sign, 2 * sign, 3 * sign, 4 * sign]
    assert math.isnan(found.equal_psnr)  # there was no pair


@pytest.mark.parametrize(("sign", "figure"), [(1, 100), (-1, 0)])
def test_equal_psnr_counts_worse_above_milder(
    sign: int, figure: float, photos: Tensor, equal: list[dict[str, Tensor]]
) -> None:
    def distance(first: Tensor, second: Tensor) -> Tensor:
        worse = any(torch.equal(second[0], case[kind]) for case in equal for kind in WORSE if kind in case)
        return torch.tensor([float(sign if worse else 0)])

    found = measure(distance, photos, {}, equal)
    assert found.equal_psnr == figure
    assert found.against.keys() == {"shift", *BETTER}
    assert all(value == figure for value in found.against.values() if not math.isnan(value))
    assert math.isnan(found.any_photos)


def test_cases_have_the_error_of_a_shift(photos: Tensor, equal: list[dict[str, Tensor]]) -> None:
    for photo, cases in zip(photos, equal, strict=True):
        target = (cases["shift"] - photo).square().mean()
        assert len(cases) >= 6
        for case in cases.values():
            assert (case - photo).square().mean().item() == pytest.approx(target.item(), rel=0.2)


def test_a_flat_photo_has_no_cases() -> None:
    assert equal_psnr(torch.full((3, 16, 16), 0.5)) == {}


def test_photos_that_a_kind_leaves_alone_do_not_count(photos: Tensor, distorted: dict[str, Tensor]) -> None:
    both = measure(mean_squared_error, photos, {"fade": distorted["fade"]}, [{}, {}])
    colour = measure(mean_squared_error, photos[:1], {"fade": distorted["fade"][:, :1]}, [{}])
    assert both.any_photos == colour.any_photos == 100
    assert both.means == colour.means
    grey = measure(mean_squared_error, photos[1:], {"fade": distorted["fade"][:, 1:]}, [{}])
    assert grey.by_kind == {}


def test_the_networks_distance_is_the_unit_distance_of_its_layers(photos: Tensor) -> None:
    network = loss_network("judge", layers_before_pooling("judge"))
    distance = NetworkDistance(network)
    other = photos.flip(3)
    maps = zip(network(photos).values(), network(other).values(), strict=True)
    expected = torch.stack([unit(a, b) for a, b in maps]).log().mean(0).exp()  # the geometric mean
    for _ in range(2):  # the second time from what was kept
        assert torch.allclose(distance(photos, other), expected)
    assert torch.allclose(distance(photos, photos), torch.zeros(2), atol=1e-6)


def test_what_was_kept_is_not_taken_for_another_batch(photos: Tensor) -> None:
    distance = random_distance("judge", ["relu1_1"], 0)
    batch = photos.clone()
    first = distance(batch, photos.flip(3))
    batch.mul_(0.5)  # the same memory with other values
    assert not torch.allclose(distance(batch, photos.flip(3)), first)
    assert torch.equal(distance(photos[:1], photos[:1].flip(3)), distance(photos[:1].clone(), photos[:1].flip(3)))


def test_random_distances_depend_on_their_seed_alone(photos: Tensor) -> None:
    state = torch.get_rng_state()
    one, again, other = (random_distance("judge", ["relu2_1"], seed)(photos, photos.flip(3)) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_mean_of_opposites_is_the_middle(photos: Tensor, distorted: dict[str, Tensor]) -> None:
    found = [measure(Rank(distorted, sign), photos, distorted, [{}, {}]) for sign in (1, -1)]
    middle = mean_agreement(found)
    assert middle.same_photo == middle.any_photos == middle.by_kind["blur"] == 50
    assert set(middle.means["blur"]) == {0}
    assert math.isnan(middle.equal_psnr)
    assert mean_agreement(found[:1]).means == {kind: pytest.approx(m) for kind, m in found[0].means.items()}
