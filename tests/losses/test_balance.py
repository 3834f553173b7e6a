"""Weights that follow gradients: answers known by construction, VQGAN's formula, what can go wrong in a training."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, distributed, nn
from torch.utils.checkpoint import checkpoint

from perceptualloss.errors import InputError, warn_once
from perceptualloss.losses.balance import GradientBalance
from perceptualloss.losses.balanced import BalancedLoss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.gradient_norms import gradient_norms
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.losses.video import VideoLoss
from perceptualloss.testing import check_loss


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, requires_grad=True)


def slopes(z: Tensor, **norms: float) -> dict[str, Tensor]:
    """Terms whose gradients have these norms, each in a direction of its own."""
    directions = torch.eye(len(z))[: len(norms)]
    return {name: norm * (way * z).sum() for (name, norm), way in zip(norms.items(), directions, strict=True)}


def of(balance: GradientBalance | BalancedLoss) -> list[float]:
    return [float(weight) for weight in balance.weights.values()]


def test_quadratics() -> None:
    """a |z|^2 / 2 has the gradient a z: with |z| = 5 the norms are 5 a."""
    z = leaf(3.0, 4.0)
    squares = z.square().sum() / 2
    balance = GradientBalance({"first": 2.0, "second": 1.0, "third": 4.0})
    total = balance({"first": 3 * squares, "second": 12 * squares, "third": 0.5 * squares}, wrt=z)
    assert of(balance) == pytest.approx([1, 0.5 * 3 / 12, 2 * 3 / 0.5])
    assert float(total.detach()) == pytest.approx(12.5 * (3 + 1.5 + 6))
    total.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(z.grad, 10.5 * z.detach())


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(1e-3, 1e3)), min_size=2, max_size=5))
def test_parts_have_the_asked_shares_of_the_gradients_norm(parts: list[tuple[float, float]]) -> None:
    z = torch.zeros(5, requires_grad=True)
    names = [f"part{n}" for n in range(len(parts))]
    terms = slopes(z, **{name: norm for name, (_, norm) in zip(names, parts, strict=True)})
    balance = GradientBalance({name: share for name, (share, _) in zip(names, parts, strict=True)}, bounds=(0, 1e9))
    (gradient,) = torch.autograd.grad(balance(terms, wrt=z), z)
    shares = torch.tensor([share for share, _ in parts])
    torch.testing.assert_close(gradient[: len(parts)], shares / shares[0] * parts[0][1], rtol=1e-5, atol=0)


@settings(deadline=None, max_examples=10)
@given(average=st.floats(0.1, 0.8), share=st.floats(0.1, 10), seed=st.integers(0, 2**31))
def test_with_an_average_shares_are_met_by_the_averages(average: float, share: float, seed: int) -> None:
    """Against a sum over the whole past, with weights that fall by the decay and add up to one."""
    random = torch.Generator().manual_seed(seed)
    norms = torch.rand(2, 8, generator=random) + 0.5
    balance = GradientBalance({"a": 1.0, "b": share}, average=average)
    z = torch.zeros(2, requires_grad=True)
    for step in range(8):
        balance(slopes(z, a=float(norms[0, step]), b=float(norms[1, step])), wrt=z)
        past = average ** torch.arange(step, -1, -1.0)
        means = (norms[:, : step + 1] * past).sum(dim=1) / past.sum()
        assert of(balance)[1] == pytest.approx(share * float(means[0] / means[1]), rel=1e-4)
    for _ in range(50):
        balance(slopes(z, a=2.0, b=5.0), wrt=z)
    assert of(balance)[1] == pytest.approx(share * 2 / 5, rel=1e-3)


def test_two_parts_are_vqgans_adaptive_weight() -> None:
    """Equation 7 of Esser et al. 2021 with the delta, bounds and factor of the released code, written anew."""

    def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
        (of_reconstruction,) = torch.autograd.grad(reconstruction, last_layer, retain_graph=True)
        (of_adversarial,) = torch.autograd.grad(adversarial, last_layer, retain_graph=True)
        return (of_reconstruction.norm() / (of_adversarial.norm() + 1e-4)).clamp(0.0, 1e4).detach()

    decoder = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3))
    critic = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))
    balance = GradientBalance({"nll": 1.0, "adversarial": 0.8}, delta=1e-4)
    last = decoder[2].weight
    for scale in (1.0, 1e3, 1e-9):  # the last meets the upper bound
        codes, target = torch.randn(2, 4, 16, 16), torch.rand(2, 3, 12, 12)
        output = decoder(codes)
        nll, adversarial = (output - target).abs().mean(), -scale * critic(output).mean()
        theirs = nll + 0.8 * adaptive_weight(nll, adversarial, last) * adversarial
        ours = balance({"nll": nll, "adversarial": adversarial}, wrt=last)
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
        gradients = [
            torch.autograd.grad(loss, list(decoder.parameters()), retain_graph=True) for loss in (ours, theirs)
        ]
        for own, other in zip(*gradients, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-8)


def test_terms_are_weighted_and_those_without_a_share_keep_their_weight() -> None:
    z, elsewhere = torch.zeros(4, requires_grad=True), leaf(2.0)
    terms = (
        slopes(z, l1=1.0, lpips=2.0) | {"features/a": 3 * z[2] + 1, "features/b": 4 * z[2]} | {"kl": elsewhere.sum()}
    )
    balance = GradientBalance({"l1 + lpips": 1.0, "features": 3.0})
    weighted = balance.terms(terms, wrt=z)
    joint, features = 5**0.5, 7.0  # norms
    assert list(weighted) == list(terms)
    assert of(balance) == pytest.approx([1, 3 * joint / features])
    assert float(weighted["features/a"].detach()) == pytest.approx(3 * joint / features)
    assert weighted["kl"] is terms["kl"]
    torch.testing.assert_close(balance(terms, wrt=z), sum(weighted.values()))


def test_start_and_ramp_by_own_steps_and_by_those_given() -> None:
    """A part that has not started is not needed, and what it is does not matter."""
    z = torch.zeros(2, requires_grad=True)
    options: dict[str, Any] = {"start": {"late": 2}, "ramp": {"late": 4}}
    counting, told = (GradientBalance({"first": 1.0, "late": 1.0}, **options) for _ in range(2))
    found = []
    for step in range(8):
        terms = slopes(z, first=1.0, late=2.0)
        terms |= {"late": terms["late"] * float("inf")} if step == 0 else {}
        terms = {"first": terms["first"]} if step == 1 else terms
        total = counting(terms, wrt=z)
        assert torch.equal(total, told(terms, wrt=z, step=step))
        assert total.isfinite()
        found.append(of(counting)[1])
    assert found == pytest.approx([0, 0, 0, 0.125, 0.25, 0.375, 0.5, 0.5])
    assert of(GradientBalance({"first": 1.0, "late": 1.0}, **options)) == [1, 0]


def test_evaluation_changes_nothing() -> None:
    z = torch.zeros(2, requires_grad=True)
    balance = GradientBalance({"a": 1.0, "b": 1.0}, average=0.5, start={"b": 1})
    for _ in range(2):
        balance(slopes(z, a=1.0, b=4.0), wrt=z)
    before = copy.deepcopy(balance.state_dict())
    with torch.no_grad():
        balance(slopes(z, a=1.0, b=100.0), wrt=z)
    balance.eval()
    assert float(balance(slopes(z, a=1.0, b=100.0) | {"b": torch.tensor(2.0)}, wrt=z).detach()) == 0.5
    assert all(torch.equal(value, before[name]) for name, value in balance.state_dict().items())


@pytest.mark.parametrize("bad", [0.0, float("inf"), float("nan")])
def test_a_gradient_that_is_zero_or_not_finite_leaves_the_weight(bad: float) -> None:
    warn_once.cache_clear()
    z = torch.zeros(3, requires_grad=True)
    balance = GradientBalance({"a": 1.0, "b": 1.0, "c": 1.0}, average=0.9)
    balance(slopes(z, a=1.0, b=4.0, c=2.0), wrt=z)
    with pytest.warns(UserWarning, match="gradient of b is zero or not finite: its weight stays"):
        balance(slopes(z, a=1.0, b=bad, c=4.0), wrt=z)
    assert of(balance)[1] == 0.25
    assert of(balance)[2] < 0.5
    before = of(balance)
    with pytest.warns(UserWarning, match="gradient of a"):
        balance(slopes(z, a=bad, b=1.0, c=1.0), wrt=z)
    assert of(balance) == before
    assert balance.kept.tolist() == [1, 1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once
        balance(slopes(z, a=bad, b=1.0, c=1.0), wrt=z)
        balance(slopes(z, a=1.0, b=4.0, c=4.0), wrt=z)
    assert all(torch.isfinite(weight) for weight in balance.weights.values())
    assert of(balance)[1] != before[1]


def test_a_part_that_was_never_measured_has_its_share() -> None:
    z = torch.zeros(2, requires_grad=True)
    balance = GradientBalance({"a": 1.0, "constant": 0.5})
    warn_once.cache_clear()
    with pytest.warns(UserWarning, match="constant"):
        balance({"a": z[0], "constant": torch.tensor(3.0)}, wrt=z)
    assert of(balance) == [1, 0.5]


def test_a_resumed_run_ends_in_the_same_bits() -> None:
    def run(steps: range, model: nn.Module, balance: GradientBalance) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in steps:
            x = torch.rand(4, 3, generator=torch.Generator().manual_seed(step))
            output = model(x)
            terms = {"l1": (output - x).abs().mean(), "square": output.square().mean()}
            optimizer.zero_grad()
            balance(terms, wrt=output).backward()
            optimizer.step()

    def fresh() -> tuple[nn.Module, GradientBalance]:
        torch.manual_seed(1)
        options: dict[str, Any] = {"average": 0.9, "start": {"square": 3}, "ramp": {"square": 6}}
        return nn.Linear(3, 3), GradientBalance({"l1": 1.0, "square": 0.3}, **options)

    whole, cut, resumed = fresh(), fresh(), fresh()
    run(range(10), *whole)
    run(range(5), *cut)
    file = io.BytesIO()
    torch.save([module.state_dict() for module in cut], file)
    file.seek(0)
    for module, state in zip(resumed, torch.load(file, weights_only=True), strict=True):
        module.load_state_dict(state)
    assert torch.equal(resumed[1].weights["square"], cut[1].weights["square"])
    run(range(5, 10), *resumed)
    for one, other in zip(whole, resumed, strict=True):
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_the_state_of_other_parts_is_refused() -> None:
    state = GradientBalance({"a": 1.0, "b": 1.0}).state_dict()
    GradientBalance({"a": 1.0, "b": 5.0}).load_state_dict(state)  # of other shares
    with pytest.raises(InputError, match="a balance of b, a"):
        GradientBalance({"b": 1.0, "a": 1.0}).load_state_dict(state)


class Scaler:
    """What torch's gradient scaler does to a loss; torch's own needs a GPU."""

    def scale(self, value: Tensor) -> Tensor:
        return value * 2.0**16


def test_in_16_bits() -> None:
    """A gradient of 1e-9 is zero in fp16, unless the loss is scaled."""
    z = torch.full((4,), 2.0, dtype=torch.float16, requires_grad=True)
    values = {"large": 0.125 * z.float().sum(), "small": 1e-9 * z.float().sum()}
    assert gradient_norms(values, z).tolist() == [0.25, 0]
    torch.testing.assert_close(gradient_norms(values, z, Scaler()), torch.tensor([0.25, 2e-9]), rtol=1e-2, atol=0)
    many = torch.zeros(2**20, dtype=torch.bfloat16, requires_grad=True)
    assert float(gradient_norms({"sum": many.sum()}, many)) == 2**10  # a sum of squares in bf16 ends at 256


def test_it_stays_in_32_bits_in_a_module_of_16() -> None:
    z = torch.zeros(2, requires_grad=True)
    module = nn.ModuleDict({"balance": GradientBalance({"a": 1.0, "b": 1.0}, average=0.9)})
    balance: Any = module["balance"]
    balance(slopes(z, a=1.0, b=3.0), wrt=z)
    before = of(balance)
    module.half()
    module.to(torch.bfloat16)
    assert of(balance) == before
    assert {buffer.dtype for buffer in balance.buffers()} == {torch.float32, torch.int64}
    wide = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    assert balance(slopes(wide, a=1.0, b=3.0), wrt=wide).dtype == torch.float64


def test_built_and_moved_without_values() -> None:
    with torch.device("meta"):
        balance = GradientBalance({"a": 1.0, "b": 0.5})
    balance.to_empty(device="cpu")
    z = torch.zeros(2, requires_grad=True)
    balance(slopes(z, a=1.0, b=3.0), wrt=z)
    assert of(balance) == pytest.approx([1, 0.5 / 3])


def test_steps_before_their_backward_passes() -> None:
    """Weights of a later step do not reach into the graph of an earlier one."""
    z = torch.zeros(2, requires_grad=True)
    balance = GradientBalance({"a": 1.0, "b": 1.0})
    first = balance(slopes(z, a=1.0, b=2.0), wrt=z)
    second = balance(slopes(z, a=1.0, b=8.0), wrt=z)
    (first + second).backward()
    torch.testing.assert_close(z.grad, torch.tensor([2.0, 2.0]))


def parts() -> GradientBalance:
    return GradientBalance({"a": 1.0, "b": 1.0})


Z = torch.zeros(2, requires_grad=True)
REFUSED: dict[str, Callable[[], object]] = {
    "at least two parts": lambda: GradientBalance({"a": 1.0}),
    "share of b to be a positive": lambda: GradientBalance({"a": 1.0, "b": 0.0}),
    "share of a to be a positive": lambda: GradientBalance({"a": float("nan"), "b": 1.0}),
    "every term in one share": lambda: GradientBalance({"a + b": 1.0, "b": 1.0}),
    "average from 0 to below 1": lambda: GradientBalance({"a": 1.0, "b": 1.0}, average=1.0),
    "rising bounds": lambda: GradientBalance({"a": 1.0, "b": 1.0}, bounds=(1.0, 1.0)),
    "first part is there from the first": lambda: GradientBalance({"a": 1.0, "b": 1.0}, start={"a": 5}),
    "Did you mean 'late'": lambda: GradientBalance({"a": 1.0, "late": 1.0}, ramp={"lat": 5}),
    "ramp of b from 0": lambda: GradientBalance({"a": 1.0, "b": 1.0}, ramp={"b": -5}),
    "a term that has a share to be one of a, got 'b'": lambda: parts()({"a": Z.sum()}, wrt=Z),
    "term b as a scalar": lambda: parts()({"a": Z.sum(), "b": Z * 2}, wrt=Z),
    "b to depend on wrt": lambda: parts()({"a": Z.sum(), "b": leaf(1.0).sum()}, wrt=Z),
    "wrt to require a gradient": lambda: parts()({"a": Z.sum(), "b": Z.sum()}, wrt=Z.detach()),
    "Did you mean 'mse'": lambda: BalancedLoss({"l1": L1Loss(), "mse": MSELoss()}, {"l1": 1.0, "mes": 1.0}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_meant_is_refused(message: str) -> None:
    with pytest.raises(InputError, match=message):
        REFUSED[message]()


def whole_batch() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(3)
    return nn.Conv2d(3, 3, 3, padding=1).double(), torch.rand(4, 3, 8, 8, dtype=torch.float64)


def weights_of(model: nn.Module, batch: Tensor) -> dict[str, list[float]]:
    """The weights of two steps with respect to the output, and to the layer."""
    losses = {"l1": L1Loss(), "mse": MSELoss()}
    found = {}
    for what in ("output", "layer"):
        balance = GradientBalance({"l1": 1.0, "mse": 2.0}, average=0.5)
        for step in range(2):
            output = model(batch)
            terms = {name: loss(output, batch.roll(step, 2)) for name, loss in losses.items()}
            balance(terms, wrt=output if what == "output" else model.weight)
            found[f"{what} {step}"] = [*of(balance), *balance.sums.tolist()]
    return found


def _half(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    model, batch = whole_batch()
    torch.save(weights_of(model, batch.chunk(2)[rank]), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_have_the_weights_of_one_with_the_joined_batch(
    tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    in_processes(_half, str(tmp_path), processes=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first == second
    alone = weights_of(*whole_batch())
    assert first.keys() == alone.keys()
    for name, values in alone.items():
        assert first[name] == pytest.approx(values, rel=1e-6), name


def picture_pair() -> tuple[Tensor, Tensor]:
    return torch.rand(2, 3, 16, 16, requires_grad=True), torch.rand(2, 3, 16, 16)


LOSSES = {"l1": L1Loss(), "features": FeatureReconstructionLoss("compact", {"relu1_1": 1.0, "relu2_1": 1.0}, "unit")}


def test_a_balanced_loss_is_a_loss_whose_parts_have_their_shares() -> None:
    output, target = picture_pair()
    loss = BalancedLoss({**LOSSES, "tv": 0.5 * TotalVariationLoss()}, {"l1": 1.0, "features": 0.25})
    terms = loss.terms(output, target)
    assert list(terms) == ["l1", "features/relu1_1", "features/relu2_1", "tv"]
    parts = {"l1": terms["l1"], "features": terms["features/relu1_1"] + terms["features/relu2_1"]}
    norms = gradient_norms(parts, output)
    assert float(norms[1] / norms[0]) == pytest.approx(0.25, rel=1e-5)
    torch.testing.assert_close(terms["tv"], 0.5 * TotalVariationLoss()(output, target))
    torch.testing.assert_close(loss(output, target), sum(terms.values()))
    per_image = loss.per_image(output, target)
    assert {name: value.shape for name, value in per_image.items()} == dict.fromkeys(terms, (2,))
    torch.testing.assert_close(per_image["features/relu1_1"].mean(), terms["features/relu1_1"])
    assert list(loss.weights) == ["l1", "features"]


def test_a_balanced_loss_measures_with_the_weights_it_has() -> None:
    output, target = picture_pair()
    loss = BalancedLoss(LOSSES, {"l1": 1.0, "features": 0.25}, reduction="none")
    trained = loss(output, target).detach()
    assert trained.shape == (2,)
    weights = of(loss)
    other = torch.rand(2, 3, 16, 16)
    assert torch.equal(loss(other, target), loss.eval()(other.requires_grad_(), target))
    assert of(loss) == weights
    torch.testing.assert_close(copy.deepcopy(loss)(output, target), trained)
    summed = loss + L1Loss(reduction="none")
    assert next(iter(summed.terms(output, target))) == "balanced/l1"


def test_under_a_checkpoint_a_step_counts_once() -> None:
    output, target = picture_pair()
    loss, other = (BalancedLoss(LOSSES, {"l1": 1.0, "features": 0.25}, average=0.5) for _ in range(2))
    for _ in range(2):
        value: Any = checkpoint(loss, output, target, use_reentrant=False)
        torch.testing.assert_close(
            torch.autograd.grad(value, output), torch.autograd.grad(other(output, target), output)
        )
    assert loss.balance.steps == 2
    assert of(loss) == of(other)


def test_frames_in_chunks_have_one_balance_outside() -> None:
    losses = {"l1": VideoLoss(L1Loss(), "NCTHW", chunk=1), "mse": VideoLoss(MSELoss(), "NCTHW", chunk=1)}
    output, target = torch.rand(2, 3, 2, 8, 8, requires_grad=True), torch.rand(2, 3, 2, 8, 8)
    terms = BalancedLoss(losses, {"l1": 1.0, "mse": 1.0}).terms(output, target)
    norms = gradient_norms(terms, output)
    assert float(norms[0]) == pytest.approx(float(norms[1]), rel=1e-5)
    inside = BalancedLoss({"l1": L1Loss(), "mse": MSELoss()}, {"l1": 1.0, "mse": 1.0})
    VideoLoss(inside, "NCTHW")
    with pytest.raises(InputError, match="Put the balance outside"):
        VideoLoss(inside, "NCTHW", chunk=1)


def test_a_balanced_loss_keeps_the_laws() -> None:
    check_loss(BalancedLoss(LOSSES, {"l1": 1.0, "features": 0.25}), (3, 32, 32), skip=["parameters"])


@pytest.mark.parametrize("masking", ["area", "exact"])
def test_a_balanced_loss_under_a_mask(masking: Any) -> None:
    """The shares are those of what counts."""
    output, target = picture_pair()
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :12, :12] = 1
    loss = BalancedLoss(LOSSES, {"l1": 1.0, "features": 0.25})
    terms = loss.terms(output, target, mask, masking=masking)
    norms = gradient_norms({"l1": terms["l1"], "rest": terms["features/relu1_1"] + terms["features/relu2_1"]}, output)
    assert float(norms[1] / norms[0]) == pytest.approx(0.25, rel=1e-5)
    torch.testing.assert_close(terms["l1"], L1Loss()(output, target, mask, masking=masking))


def test_features_computed_again_have_the_same_weights() -> None:
    output, target = picture_pair()
    found = []
    for options in ({}, {"checkpoint": True}, {"chunk": 1}, {"tile": 8}):
        features = FeatureReconstructionLoss("compact", {"relu2_1": 1.0}, **options)  # type: ignore[arg-type]
        loss = BalancedLoss({"l1": L1Loss(), "features": features}, {"l1": 1.0, "features": 0.25})
        (gradient,) = torch.autograd.grad(loss(output, target), output)
        found.append((gradient, of(loss)))
    for gradient, weights in found[1:]:
        torch.testing.assert_close(gradient, found[0][0], rtol=1e-4, atol=1e-8)
        assert weights == pytest.approx(found[0][1], rel=1e-5)


def test_a_balanced_loss_is_written_in_a_recipe() -> None:
    output, target = picture_pair()
    settings: dict[str, Any] = {
        "losses": {"l1": "L1Loss", "mse": {"MSELoss": 3.0}},
        "shares": {"l1": 1, "mse": 0.5},
        "average": 0.9,
        "start": {"mse": 100_000},
    }
    loss = loss_from_settings({"BalancedLoss": settings})
    assert isinstance(loss, BalancedLoss)
    assert (loss.balance.average, loss.balance.start) == (0.9, {"mse": 100_000})
    assert float(loss.terms(output, target)["mse"].detach()) == 0
    assert "'mse': 0.5" in repr(loss)
    assert "(mse): 3 * MSELoss()" in repr(loss)
    with pytest.raises(InputError, match="Did you mean 'average'"):
        loss_from_settings({"BalancedLoss": settings | {"averag": 0.5}})
