"""Products in full precision: what the user allows torch to round elsewhere does not reach them, and is given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from perceptualloss.features.view import draw_change, geometric
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.style import StyleReconstructionLoss, gram_matrix
from perceptualloss.numerics import exact_product
from perceptualloss.pictures.resize import resize

PRECISIONS = ("highest", "high", "medium")


@pytest.fixture(autouse=True)
def _precision_given_back() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")


def settings() -> list[str]:
    return [place.fp32_precision for place in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)]


def value_and_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    value = function(x)
    value.square().sum().backward()
    assert x.grad is not None
    return value.detach(), x.grad


STYLE = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(3))
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gram": lambda x: gram_matrix(torch.cat([x] * 16, dim=1)),
    "style": StyleReconstructionLoss("compact", ["relu1_2", "relu2_2"], style=STYLE),
    "wasserstein": SlicedWassersteinLoss("compact", ["relu1_2", "relu2_2"], style=STYLE).eval(),
    "resize": lambda x: resize(x, scale=0.37),
    "augment": lambda x: geometric(x, draw_change(x)),
    "several sizes": PerceptualLoss("compact", None, style_layers=["relu1_2"], style=STYLE, style_scales=2),
}


class _Products(TorchDispatchMode):
    """Notes the matrix products that are computed, but for the exact ones."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.exact = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.exact += name == "exact_product"
        if name in ("mm", "bmm", "addmm", "baddbmm", "matmul", "dot", "mv", "linear", "affine_grid_generator"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_product_of_a_loss_is_rounded_forwards_or_backwards(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(1, 3, 64, 64)
    seen: list[list[str]] = []
    product = Tensor.__matmul__
    monkeypatch.setattr(Tensor, "__matmul__", lambda a, b: seen.append(settings()) or product(a, b))
    torch.set_float32_matmul_precision("medium")
    before = settings()
    with _Products() as products:
        value_and_gradient(FUNCTIONS[name], x)
    assert not products.found
    assert len(seen) == products.exact
    assert products.exact >= 2 or name == "augment"
    assert all(inside == ["ieee", "ieee"] for inside in seen)
    assert settings() == before


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loss_has_the_same_bits_whatever_the_precision_of_products(name: str) -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = []
    for precision in PRECISIONS:
        torch.set_float32_matmul_precision(precision)
        torch.manual_seed(2)
        found.append(value_and_gradient(FUNCTIONS[name], x))
    for value, gradient in found[1:]:
        assert torch.equal(value, found[0][0])
        assert torch.equal(gradient, found[0][1])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_is_as_near_to_64_bits_as_32_bits_are(precision: str) -> None:
    a, b = torch.randn(2, 64, 4096), torch.randn(2, 4096, 64)
    torch.set_float32_matmul_precision(precision)
    wanted = a.double() @ b.double()
    assert (exact_product(a, b) - wanted).abs().max() < 1e-6 * wanted.abs().max()
    with torch.autocast("cpu", torch.bfloat16):
        assert (exact_product(a, b) - wanted).abs().max() < 1e-6 * wanted.abs().max()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_users_setting_comes_back_after_products_errors_and_threads(precision: str) -> None:
    torch.set_float32_matmul_precision(precision)
    before = settings()
    a = torch.rand(64, 64)
    exact_product(a, a)
    assert settings() == before
    with pytest.raises(RuntimeError):
        exact_product(a, torch.rand(3, 3))
    assert settings() == before
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: exact_product(a, a), range(200)))
    assert settings() == before


def test_a_setting_for_all_backends_is_followed_afterwards() -> None:
    try:
        torch.backends.cuda.matmul.fp32_precision = "none"
        torch.backends.fp32_precision = "tf32"
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
        exact_product(torch.rand(2, 2), torch.rand(2, 2))
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
        torch.backends.fp32_precision = "ieee"
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    finally:
        torch.backends.fp32_precision = "none"


SHAPES = [((2, 5, 7), (2, 7, 3)), ((2, 5, 7), (7, 3)), ((5, 7), (2, 7, 3)), ((5, 7), (7, 3))]


@pytest.mark.parametrize("shapes", SHAPES)
def test_derivatives_of_every_order(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    assert torch.autograd.gradcheck(exact_product, (a, b))
    assert torch.autograd.gradgradcheck(exact_product, (a, b))
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(gram_matrix, features)


MAPPED = [
    ((4, 6, 7), (4, 7, 6), (0, 0)),
    ((4, 6, 7), (7, 6), (0, None)),
    ((6, 7), (7, 4, 6), (None, 1)),
    ((6, 4, 7), (4, 2, 7, 6), (1, 0)),
]


@pytest.mark.parametrize(("first", "second", "places"), MAPPED)
def test_vmap_and_grad_see_through_it(first: Any, second: Any, places: Any) -> None:
    a, b = torch.randn(first, dtype=torch.float64), torch.randn(second, dtype=torch.float64)

    def found(product: Callable[[Tensor, Tensor], Tensor], order: int) -> Tensor:
        def function(a: Tensor, b: Tensor) -> Tensor:
            return product(a, b).pow(3).sum()

        first = function if order == 0 else grad(function)
        return vmap(first if order < 2 else grad(lambda a, b: first(a, b).square().sum()), in_dims=places)(a, b)

    for order in range(3):
        torch.testing.assert_close(found(exact_product, order), found(torch.matmul, order))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_compiled_in_one_graph_with_its_derivative(precision: str) -> None:
    torch.compiler.reset()
    features = torch.rand(1, 8, 32, 32)
    expected = value_and_gradient(gram_matrix, features)
    torch.set_float32_matmul_precision(precision)
    found = value_and_gradient(torch.compile(gram_matrix, backend="aot_eager", fullgraph=True), features)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
