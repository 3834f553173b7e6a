"""Pictures that are optimised through the student while it is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.losses.style import gram_matrix
from perceptualloss.studies.loss_network.followed import STEPS, FollowedPictures


def colours(images: Tensor) -> dict[str, Tensor]:
    """A network whose features are the pixels."""
    return {"relu1_2": images}


def photos(seed: int) -> Tensor:
    return (
        torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        * torch.tensor([0.3, 0.9])[:, None, None, None]
    )


def test_a_picture_nears_the_style_by_steps_of_the_size_that_is_said() -> None:
    followed = FollowedPictures(8, count=1, moves=1, life=10**9)
    errors = []
    before = photos(0)[:1]
    for turn in range(60):
        moved, photo = followed(colours, photos(0))
        assert torch.equal(photo, photos(0)[:1])
        if turn < 3:  # no pixel is at a bound yet
            size = (moved - before).square().mean().sqrt().item()
            assert STEPS[0] * 0.99 < size < STEPS[1] * 1.01
        before = moved.clone()
        errors.append((gram_matrix(moved) - gram_matrix(photos(0)[1:])).norm().item())
    assert errors[-1] < 0.2 * errors[0]
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_pictures_take_turns_and_are_given_up() -> None:
    followed = FollowedPictures(8, count=2, moves=1, life=1)
    for turn in range(4):
        _, photo = followed(colours, photos(turn))
        assert torch.equal(photo, photos(turn)[:1])  # a life of one turn: always a new photo
    kept = FollowedPictures(8, count=2, moves=1, life=10**9)
    seen = [kept(colours, photos(turn))[1] for turn in range(4)]
    assert torch.equal(seen[2], seen[0])
    assert torch.equal(seen[3], seen[1])
    assert not torch.equal(seen[0], seen[1])


def test_what_a_checkpoint_holds_goes_on_in_the_same_bits() -> None:
    first = FollowedPictures(8, count=2)
    for turn in range(3):
        torch.manual_seed(turn)
        first(colours, photos(turn))
    second = FollowedPictures(8, count=2)
    second.load_state_dict(first.state_dict())
    results = []
    for followed in (first, second):
        torch.manual_seed(3)
        results.append(followed(colours, photos(3))[0])
    assert torch.equal(*results)


def test_the_student_learns_nothing_from_following() -> None:
    weight = torch.ones(3, 3, 1, 1, requires_grad=True)
    FollowedPictures(8)(lambda images: {"conv": torch.nn.functional.conv2d(images, weight)}, photos(0))
    assert weight.grad is None
