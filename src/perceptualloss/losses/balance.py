"""Weights that follow gradients: every part of a sum has the share of the gradient's norm that was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice, warn_once
from perceptualloss.losses.gradient_norms import gradient_norms

READ_EVERY = 100  # calls; reading from a GPU waits for it


class GradientBalance(nn.Module):
    r"""A sum whose weights follow the gradients: each part gets the share of the gradient's norm that you ask for.

    Use it in any loop: ``total = balance(terms, wrt=output)`` in place of ``total = sum(terms.values())``.

    .. math:: \ell = \sum_i w_i \ell_i,\quad w_1 = 1,\quad
              w_i = \frac{s_i}{s_1}\,\mathrm{clamp}\!\left(\frac{\bar g_1}{\bar g_i + \delta}, low, high\right) r_i(t)

    :math:`g_i = \|\partial \ell_i / \partial z\|_2` is the norm of part i's gradient with respect to z (``wrt``): the
    network's output, or the weight of its last layer. :math:`s_i` are the shares. So the parts' weighted gradients have
    norms as :math:`s_1 : s_2 : \dots`. The first part keeps its own weight, and with it the sum keeps its scale.
    :math:`\bar g` is the norm, or with ``average`` its exponential average over the steps (without the pull to zero
    that it begins with, as in Adam). :math:`r_i` rises from 0 to 1 over ``ramp`` steps after ``start``. The weights are
    constants to the derivative.

    Two parts, ``delta=1e-4``, no average and the last layer are the adaptive weight of VQGAN. Its ``disc_weight`` is
    then the second share, its ``disc_start`` the start.

    - **Cost**: one more backward pass of each part, from the part down to ``wrt``.
    - **State** is in ``state_dict``, so that a resumed training ends in the same bits. Save it with the optimiser.
    - **A term that no share names** keeps its own weight, such as a KL divergence, which does not depend on ``wrt``. A
      share named ``l1 + lpips`` is that of the two together, weighted alike. The name of a sum, such as
      ``feature_reconstruction``, is that of all its terms ``feature_reconstruction/...``.
    - **Evaluation**, without a gradient or after ``eval()``, uses the last weights and changes none.
    - **A gradient that is zero or not finite** leaves the part's weight as it was, with a warning; of the first part,
      all weights. A part that was never measured has the weight of its share, as if norms were equal.
    - **16 bits**: norms are computed in 32 (64 for float64). Give the ``scaler`` of fp16, so that gradients do not
      vanish on their way to ``wrt``; its factor is taken out of the norms.
    - **Several processes** (torch.distributed): the norm is that of the joined batch's gradient, the same on all of
      them. A Parameter's gradients are averaged over R processes. Any other ``wrt`` is each one's part of the batch;
      its gradients' squares are summed and divided by R squared. All processes call it at once. Where parameters are
      sharded (FSDP), ``wrt`` is the output.
    - **Gradient accumulation**: weights follow every call. Give ``step`` if ``start`` and ``ramp`` are to count the
      optimiser's steps, and ``average``, as a small batch's norms are noisy.
    - **Checkpointing** (torch.utils.checkpoint): the measurement is of the first computation. Computing again in the
      backward pass changes nothing.
    - **torch.compile**: compile network and loss apart and leave this outside, after
      ``torch._functorch.config.donated_buffer = False``: their backward pass runs more than once.

    Args:
        shares: the parts' shares by name, positive numbers. Only their ratio counts.
        average: decay of the average of norms, such as 0.99; 0 takes each step's own.
        start: by name, the step at which a part starts. Before it, the part has weight 0, is not measured, and may be
            missing.
        ramp: over how many steps, after its start, a part's weight rises in a line.
        delta: :math:`\delta`, added to the norm that is divided by; VQGAN's is 1e-4.
        bounds: the least and the largest ratio of norms, before the shares; VQGAN's by default.

    Attributes:
        weights: what each part had in the last step, by name, as tensors without a gradient.

    Raises:
        InputError: for fewer than two parts, numbers out of range, a start or ramp of the first part or of an unknown
            one; when called in training, for a part that is missing or no scalar, or does not depend on ``wrt``.

    Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis", 2021, equation 7 and released code;
    shares and averages: Défossez et al., "High Fidelity Neural Audio Compression", 2022, section 3.4.

    >>> output = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> terms = {"near": output.sum(), "far": 100 * output.sum()}
    >>> balance = GradientBalance({"near": 1.0, "far": 0.5})
    >>> balance(terms, wrt=output)  # 7 + 0.005 * 700
    tensor(10.5000, grad_fn=<AddBackward0>)
    >>> {name: round(float(weight), 6) for name, weight in balance.weights.items()}
    {'near': 1.0, 'far': 0.005}
    """

    shares: Tensor
    sums: Tensor
    masses: Tensor
    settled: Tensor
    now: Tensor
    kept: Tensor
    steps: Tensor

    def __init__(
        self,
        shares: Mapping[str, float],
        *,
        average: float = 0.0,
        start: Mapping[str, int] | None = None,
        ramp: Mapping[str, int] | None = None,
        delta: float = 0.0,
        bounds: tuple[float, float] = (0.0, 1e4),
    ) -> None:
        super().__init__()
        self.parts = tuple(shares)
        self.start, self.ramp = dict(start or {}), dict(ramp or {})
        self.average, self.delta, self.bounds = average, delta, (float(bounds[0]), float(bounds[1]))
        self._members = [tuple(member.strip() for member in part.split("+")) for part in self.parts]
        self._check(shares)
        with torch.device("cpu"):  # also where modules are built without values ("meta")
            asked = torch.tensor([float(share) for share in shares.values()])
            self.register_buffer("shares", asked / asked[0], persistent=False)
            self.register_buffer("sums", torch.zeros(len(asked)))  # of norms, decayed
            self.register_buffer("masses", torch.zeros(len(asked)))  # of their decays
            self.register_buffer("settled", self.shares.clone())  # weights without the ramp
            self.register_buffer("now", self.shares * torch.tensor(self._rises(0)))
            self.register_buffer("kept", torch.zeros(len(asked), dtype=torch.int64))  # steps without a usable gradient
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._step: int | None = None  # what steps says, read once
        self._waiting: frozenset[int] = frozenset()
        self._calls, self._said = 0, [0] * len(asked)

    def _check(self, shares: Mapping[str, float]) -> None:
        """Raise InputError for settings that cannot be meant."""
        if len(shares) < 2:
            raise InputError("shares of at least two parts", str(dict(shares)), "One part alone needs no balance.")
        for part, share in shares.items():
            if not (math.isfinite(share) and share > 0):
                remedy = "A term that is named by no share keeps its own weight."
                raise InputError(f"the share of {part} to be a positive number", repr(share), remedy)
        named = [member for members in self._members for member in members]
        if "" in named or len(set(named)) < len(named):
            raise InputError("every term in one share", ", ".join(self.parts))
        if not 0 <= self.average < 1:
            raise InputError("average from 0 to below 1", repr(self.average))
        if not (0 <= self.bounds[0] < self.bounds[1] and self.delta >= 0):
            raise InputError("rising bounds and a delta, all from 0", f"{self.bounds} and {self.delta}")
        for what, steps in (("start", self.start), ("ramp", self.ramp)):
            for part, number in steps.items():
                check_choice(
                    f"part with a {what}", part, self.parts[1:], "The first part is there from the first step."
                )
                if not number >= 0:
                    raise InputError(f"{what} of {part} from 0", repr(number))

    def check_terms(self, names: Iterable[str]) -> None:
        """Raise InputError for a share of a term that is not among these, or of which none of these is a part."""
        known = list(names)
        for member in (member for members in self._members for member in members):
            if not any(_is_of(name, member) or _is_of(member, name) for name in known):
                check_choice("a term that has a share", member, known)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The parts' weights in the last step; before the first, those of their shares."""
        return dict(zip(self.parts, self.now.unbind(), strict=True))

    def forward(
        self, terms: Mapping[str, Tensor], wrt: Tensor, *, step: int | None = None, scaler: Any = None
    ) -> Tensor:
        """Return the sum of the terms, weighted (see :meth:`terms`)."""
        return cast(Tensor, sum(self.terms(terms, wrt, step=step, scaler=scaler).values()))

    def terms(
        self, terms: Mapping[str, Tensor], wrt: Tensor, *, step: int | None = None, scaler: Any = None
    ) -> dict[str, Tensor]:
        """Return the terms, each times the weight of its part; their sum is the loss.

        Args:
            terms: the loss's terms by name, scalars.
            wrt: the output that they were computed from, (N, ...), or a Parameter that made it.
            step: the step that start and ramp go by; by default the calls in training are counted.
            scaler: the ``torch.amp.GradScaler`` that the training uses, if it does.
        """
        self.update(terms, wrt, step=step, scaler=scaler)
        return self.weigh(terms)

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return values of any shape by the terms' names, each times the last weight of its part."""
        weighted = {}
        for name, value in values.items():
            index = self._part_of(name)
            if index in self._waiting:  # not 0 * value, which may be infinite before its start
                weighted[name] = torch.zeros_like(value)
            else:
                weighted[name] = value if index is None else self.now[index].to(value.device) * value
        return weighted

    @torch.compiler.disable  # type: ignore[untyped-decorator, unused-ignore]
    def update(self, terms: Mapping[str, Tensor], wrt: Tensor, *, step: int | None = None, scaler: Any = None) -> None:
        """Measure the gradients and let the weights follow; nothing in evaluation."""
        again = torch._C._current_graph_task_id() != -1  # within a backward pass: a checkpoint computes a step again
        if again or not (self.training and torch.is_grad_enabled()):
            return
        if not wrt.requires_grad:
            remedy = "Give the network's output as it came, or a parameter that is trained."
            raise InputError("wrt to require a gradient", "a tensor that requires none", remedy)
        if self.now.device != wrt.device:
            self.to(wrt.device)
        step = self._own_step() if step is None else step
        self._waiting = frozenset(n for n, part in enumerate(self.parts) if step < self.start.get(part, 0))
        values = self._values(terms)
        norms = gradient_norms(values, wrt, scaler)
        self._follow(dict(zip((self.parts.index(part) for part in values), norms.unbind(), strict=True)), step)
        self._count()

    def _values(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the value of every part that has started."""
        values: dict[str, Tensor] = {}
        for name, value in terms.items():
            index = self._part_of(name)
            if index is None or index in self._waiting:
                continue
            if value.ndim:
                raise InputError(f"the term {name} as a scalar", f"shape {tuple(value.shape)}", "Take its mean().")
            part = self.parts[index]
            values[part] = values[part] + value if part in values else value
        for index, members in enumerate(self._members):
            for member in members if index not in self._waiting else ():
                if not any(_is_of(name, member) for name in terms):
                    check_choice("a term that has a share", member, terms, "One that comes late is given a start.")
        return values

    def _part_of(self, term: str) -> int | None:
        """Return the number of the part that a term belongs to."""
        of = (n for n, members in enumerate(self._members) if any(_is_of(term, member) for member in members))
        return next(of, None)

    @torch.no_grad()
    def _follow(self, norms: Mapping[int, Tensor], step: int) -> None:
        """Take one step's norms by the parts' numbers."""
        nothing = torch.zeros_like(self.sums[0])
        found = torch.stack([norms.get(n, nothing).to(nothing) for n in range(len(self.parts))])
        well = found.isfinite() & (found > 0)
        self.sums.copy_(torch.where(well, torch.lerp(found, self.sums, self.average), self.sums))
        self.masses.copy_(torch.where(well, 1 - (1 - self.masses) * self.average, self.masses))
        means = self.sums / self.masses
        ratios = (means[0] / (means + self.delta)).clamp(*self.bounds)
        ratios[0] = 1
        self.settled.copy_(torch.where(well & well[0], self.shares * ratios, self.settled))
        rises = self._rises(step)
        # A tensor of its own, as a backward pass may still want that of the last step.
        self.now = self.settled.clone() if set(rises) == {1.0} else self.settled * self.settled.new_tensor(rises)
        for index in norms:
            self.kept[index] += ~well[index]

    def _rises(self, step: int) -> list[float]:
        """Return the share of its weight that each part has by its start and ramp."""
        rises = []
        for part in self.parts:
            since, over = step - self.start.get(part, 0), self.ramp.get(part, 0)
            rises.append(float(since >= 0) if not over else min(1.0, max(0.0, since / over)))
        return rises

    def _own_step(self) -> int:
        """Return the number of calls in training; without start and ramp nothing needs it, and no GPU is waited for."""
        if not (self.start or self.ramp):
            return 0
        self._step = int(self.steps) if self._step is None else self._step
        return self._step

    def _count(self) -> None:
        """Count the call; say which parts kept their weight."""
        self.steps += 1
        self._step = None if self._step is None else self._step + 1
        self._calls += 1
        if self.kept.device.type != "cpu" and self._calls % READ_EVERY:
            return
        for index, (part, count) in enumerate(zip(self.parts, self.kept.tolist(), strict=True)):
            if count > self._said[index]:
                warn_once(f"The gradient of {part} is zero or not finite: its weight stays as it was (said once).")
            self._said[index] = count

    def get_extra_state(self) -> Tensor:
        """Return the parts' names, as bytes that any format of checkpoints holds."""
        return torch.tensor(list("\n".join(self.parts).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Raise InputError for the state of other parts."""
        parts = bytes(state.tolist()).decode().split("\n")
        if parts != list(self.parts):
            raise InputError(f"the state of a balance of {', '.join(self.parts)}", ", ".join(parts))

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._step = None
        self._said = self.kept.tolist()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> GradientBalance:
        """Move with the module that this is part of, but stay in 32 bits when it goes to 16, and keep the values."""
        before = dict(self.named_buffers())
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in before.items():
            if buffer.is_meta:  # there is nothing to keep
                continue
            setattr(self, name, buffer.to(getattr(self, name).device))
        return self

    def extra_repr(self) -> str:
        """Return the settings, for ``repr``."""
        shares = {part: round(float(share), 6) for part, share in zip(self.parts, self.shares, strict=True)}
        options = {"average": self.average, "start": self.start, "ramp": self.ramp, "delta": self.delta}
        return ", ".join([repr(shares), *(f"{name}={value}" for name, value in options.items() if value)])


def _is_of(term: str, member: str) -> bool:
    return term == member or term.startswith(f"{member}/")
