"""Weights of a training's losses that follow their gradients: what a recipe says of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.losses.balance import GradientBalance
from perceptualloss.training.game import Game

OUTPUT = "output"
ADVERSARIAL = "adversarial"  # the terms of the game
MATCHING = "feature_matching"


@dataclass(frozen=True)
class Balancing:
    """What share of the gradient's norm each term of the loss is to have (see :class:`GradientBalance`).

    Args:
        shares: the shares by the terms' names, as TensorBoard has them behind "Loss/"; the critic's is "adversarial".
            The first keeps its own weight. ``l1 + lpips`` is the share of both together, ``feature_reconstruction``
            that of all its layers; a term that is not named keeps its own weight.
        of: where the gradient is measured: "output", or a layer of the network by its path, whose weight it is.
        average: decay of the average of norms over the steps, such as 0.99; 0 for each step's own.
        start: at which step after the warm-up a term starts, by name.
        ramp: over how many steps from there its weight rises.
        delta: added to the norm that is divided by; VQGAN's is 1e-4.
    """

    shares: dict[str, float]
    of: str = OUTPUT
    average: float = 0.0
    start: dict[str, int] = field(default_factory=dict)
    ramp: dict[str, int] = field(default_factory=dict)
    delta: float = 0.0

    def build(self) -> GradientBalance:
        """Return the weights.

        Raises:
            InputError: for settings that cannot be meant.
        """
        return GradientBalance(self.shares, average=self.average, start=self.start, ramp=self.ramp, delta=self.delta)

    def start_of(self, term: str) -> int:
        """Return at which step a term starts."""
        return next((step for part, step in self.start.items() if term in _names(part)), 0)

    def check_layer(self, network: nn.Module) -> None:
        """Raise InputError for a layer that the network has not, or that is frozen."""
        if self.of != OUTPUT:
            layer_weight(network, self.of)

    def measured(self, network: nn.Module, output: Tensor) -> Tensor:
        """Return what the gradient is measured with respect to."""
        return output if self.of == OUTPUT else layer_weight(network, self.of)


def layer_weight(network: nn.Module, name: str) -> nn.Parameter:
    """Return the weight of a layer by its path, or a parameter by its own.

    Raises:
        InputError: for one that the network has not, or that is frozen.

    >>> layer_weight(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3)), "2").shape
    torch.Size([3, 8, 3, 3])
    """
    parameters = dict(network.named_parameters())
    if name not in parameters and f"{name}.weight" not in parameters:
        layers = [path.removesuffix(".weight") for path in parameters if path.endswith(".weight")]
        check_choice("balance.of", name, [OUTPUT, *layers])
    found = parameters.get(name, parameters.get(f"{name}.weight"))
    if found is None or not found.requires_grad:
        raise InputError(f"balance.of to be a layer that is trained, not {name}", "a frozen one")
    return found


def _names(part: str) -> list[str]:
    return [name.strip() for name in part.split("+")]


def check_game(balancing: Balancing, game: Game) -> bool:
    """Return whether the adversarial loss's weight is the balance's.

    Raises:
        InputError: if the game says one, too, or a ramp, which would do nothing; for a share of a term of the game
            before that is there.
    """
    shared = [term for term in (ADVERSARIAL, MATCHING) if any(term in _names(part) for part in balancing.shares)]
    weighed, begins = ADVERSARIAL in shared, game.start
    for term in shared:
        given = {"adversarial.weight": game.weight if weighed else Game.weight}
        given |= {"adversarial.ramp_steps": game.ramp_steps}
        usual = {"adversarial.weight": Game.weight, "adversarial.ramp_steps": Game.ramp_steps}
        check_idle(given, usual, f"with a share of {term} in balance, which has a ramp of its own")
        if balancing.start_of(term) < begins:
            remedy = f"Say balance.start: {{{term}: {begins}}}."
            expected = f"a start of {term} in balance that is not before the game's"
            raise InputError(expected, f"{balancing.start_of(term)} and {begins}", remedy)
        begins = max(begins, balancing.start_of(term))  # the critic's features come with its scores
    return weighed
