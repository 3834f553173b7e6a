"""What an answer computes: every operation on tensors with what it comes from, however the code spells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operations that hand values on as they are, but for their place or type.
_SAME = {
    "view", "unsafe_view", "reshape", "detach", "alias", "clone", "contiguous", "to_copy", "permute", "transpose", "t",
    "slice", "select", "expand", "unsqueeze", "squeeze", "lift_fresh", "native_dropout", "copy",
    "split", "chunk", "unbind", "split_with_sizes",
}  # fmt: skip
_ACTIVATIONS = {
    "relu", "leaky_relu", "prelu_kernel", "prelu", "elu", "gelu", "silu", "mish", "hardtanh", "tanh", "sigmoid",
    "softplus", "clamp", "clamp_min", "clamp_max", "hardswish", "hardsigmoid", "log_sigmoid_forward",
    "relu6", "rrelu_with_noise",
}  # fmt: skip
_NORMS = {"native_batch_norm", "native_group_norm", "native_layer_norm", "batch_norm", "cudnn_batch_norm"}
_PADS = {"reflection_pad2d", "replication_pad2d", "constant_pad_nd"}


@dataclass(eq=False)
class Op:
    """One operation, or a tensor that no operation made.

    Attributes:
        name: PyTorch's, without underscores; "given" for a tensor that was there before.
        args: what it was called with.
        inputs: where its tensors come from, in their order.
        output: its result; of several, each has an operation.
        in_shape: the shape of its first tensor when it was called.
    """

    name: str
    args: tuple[Any, ...]
    inputs: list[Op]
    output: Tensor
    in_shape: tuple[int, ...] = ()
    users: list[Op] = field(default_factory=list)

    def real(self) -> Op:
        """Return the operation behind views and copies."""
        return self.inputs[0].real() if self.name in _SAME and self.inputs else self

    def real_users(self) -> Iterator[Op]:
        """Yield what uses the result, through views and copies."""
        for user in self.users:
            if user.name in _SAME:
                yield from user.real_users()
            else:
                yield user

    def ancestors(self) -> set[Op]:
        """Return all that the result comes from, itself included."""
        found, waiting = {self}, [self]
        while waiting:
            for one in waiting.pop().inputs:
                if one not in found:
                    found.add(one)
                    waiting.append(one)
        return found

    @property
    def is_norm(self) -> bool:
        """Whether it normalises."""
        return self.name in _NORMS

    @property
    def is_activation(self) -> bool:
        """Whether it is a non-linearity of single values."""
        return self.name in _ACTIVATIONS

    @property
    def is_sum(self) -> bool:
        """Whether it adds two tensors that are no numbers."""
        return self.name == "add" and len(self.inputs) == 2 and all(one.output.dim() > 0 for one in self.inputs)

    @property
    def is_convolution(self) -> bool:
        """Whether it is a convolution that is not transposed."""
        return self.name == "convolution" and not self.args[6]

    @property
    def weight(self) -> Tensor:
        """A convolution's weights."""
        return self.inputs[1].output

    @property
    def channels(self) -> tuple[int, int]:
        """A convolution's channels, in and out."""
        return int(self.weight.shape[1]), int(self.weight.shape[0])

    @property
    def kernel(self) -> int:
        """A convolution's size."""
        return int(self.weight.shape[2])

    @property
    def before_padding(self) -> tuple[int, ...]:
        """The shape of a convolution's input, without a border that an operation before it added."""
        source = self.inputs[0].real()
        while source.name in _PADS:
            source = source.inputs[0].real()
        return tuple(source.output.shape)


class Trace(TorchDispatchMode):
    """Within it, every operation is recorded; see :class:`Op`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ops: list[Op] = []
        self._made: list[Op] = []  # with all tensors, so that no other gets their identity
        self._latest: dict[int, Op] = {}

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Record one."""
        tensors = [leaf for leaf in tree_leaves((args, dict(kwargs or {}))) if isinstance(leaf, Tensor)]
        inputs = [self.of(tensor) for tensor in tensors]
        shape = tuple(tensors[0].shape) if tensors else ()
        result = function(*args, **dict(kwargs or {}))
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if outputs:
            name = function.__name__.partition(".")[0].strip("_")
            made = [Op(name, args, inputs, output, shape) for output in outputs]
            for one in inputs:
                one.users.extend(made)
            self.ops.append(made[0])
            self._made.extend(made)
            self._latest.update({id(op.output): op for op in made})
        return result

    def of(self, tensor: Tensor) -> Op:
        """Return what made a tensor."""
        if id(tensor) not in self._latest:
            self._latest[id(tensor)] = Op("given", (), [], tensor)
        return self._latest[id(tensor)]

    def convolutions(self) -> list[Op]:
        """Return all convolutions, in order."""
        return [op for op in self.ops if op.is_convolution]
