"""An AutoencoderKL of diffusers, whose decoder is trained on: opened from its folder, written for diffusers again."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.arguments import checked_arguments, shown
from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.files import write_whole
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import read_header, read_state
from perceptualloss.networks.limits import outline

CONFIGURATION, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
_LARGEST = 2**20  # bytes of a configuration; diffusers' have about 700
_STORED = 16  # bits in which a number of a code is kept
_PRESENT = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # layers of attention
_FORMER = re.compile(rf"(\.attentions\.\d+\.)({'|'.join(_PRESENT)})(?=\.)")


class DiffusersAutoencoder(TransformationNetwork):
    """An ``AutoencoderKL`` of diffusers as a network of this package: RGB in [0, 1] to its code and back.

    Its encoder is frozen, so that codes stay what diffusion models know; its decoder is trained. diffusers' pictures
    are in [-1, 1], which is done here. The scaling factor, which diffusion models multiply codes with, is neither used
    nor changed. In training a code is drawn from its distribution, in evaluation it is the mean. Takes any height and
    width: sides that are no multiple of the code's cells (8 pixels) are filled up to one with copies of the last row
    and column, and the result is cut. Attention and normalisation see the whole picture, which is not cut into tiles.

    Nothing is downloaded and nothing in the folder is run: the configuration is checked as data, and weights are
    safetensors with the names and shapes that it asks for. Weights in 16 bits are taken in 32.

    Args:
        folder: with ``config.json`` and ``diffusion_pytorch_model.safetensors``, as ``save_pretrained`` writes them; or
            that of a pipeline, with such a folder ``vae`` in it.

    Raises:
        InputError: without diffusers, for a folder without these files, a configuration of another class, with unknown
            settings or settings of other types, of pictures that are not RGB, or weights that do not belong to it.

    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022; that a decoder may be
    trained on alone: the model cards of the fine-tuned decoders for it.
    """

    whole = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = Path(folder).resolve()  # a run that goes on elsewhere names the same one
        place = _place(self.folder)
        self.configuration, settings = _configuration(place / CONFIGURATION)
        self.model = _opened(place / WEIGHTS, settings)
        self.channels: int = settings["latent_channels"]
        self.cell = 2 ** (len(settings["block_out_channels"]) - 1)
        if settings["force_upcast"]:  # whose features do not fit into fp16's range
            self.precisions = ("fp32", "bf16")
        for part in (self.model.encoder, self.model.quant_conv):
            if part is not None:
                part.requires_grad_(False)

    @property
    def bits_per_pixel(self) -> float:
        """The size of a code in bits for each pixel of the picture, its numbers counted with 16 bits."""
        return _STORED * self.channels / float(self.cell**2)

    @property
    def last_layer(self) -> Tensor:
        """The weights that give the picture, with respect to which gradients of losses are balanced."""
        weight: Tensor = self.model.decoder.conv_out.weight
        return weight

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return the code of pictures (N, 3, H, W) in [0, 1], without a gradient: a draw in training, else the mean."""
        check_image_batch("x", x)
        down, right = (-side % self.cell for side in x.shape[-2:])
        filled = F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x
        posterior = self.model.encode(2 * filled - 1).latent_dist
        code: Tensor = posterior.sample() if self.training else posterior.mode()
        return code

    def decode(self, code: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """Return the pictures of a code, about [0, 1].

        Args:
            code: (N, channels, H, W), not multiplied with the scaling factor.
            size: height and width to cut the pictures to, those that were encoded.
        """
        picture: Tensor = (self.model.decode(code).sample + 1) / 2
        return picture if size is None else picture[..., : size[0], : size[1]]

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W) in [0, 1] from their code and back, about [0, 1]."""
        return self.decode(self.encode(x), x.shape[-2:])

    def save(self, folder: str | Path, **notes: str) -> Path:
        """Write the autoencoder so that ``AutoencoderKL.from_pretrained`` opens it, and return the folder.

        The configuration is that of the folder it came from; weights are in 32 bits.

        Args:
            folder: for ``config.json`` and ``diffusion_pytorch_model.safetensors``; made if missing.
            notes: more entries for the metadata of the weights, such as ``loss="mse"``.

        Raises:
            InputError: for weights that are not finite, or a folder that cannot be written.
        """
        folder = Path(folder)
        state = {name: value.detach().cpu().contiguous() for name, value in self.model.state_dict().items()}
        for name, value in state.items():
            if not value.isfinite().all():
                remedy = "The training has failed: lower its learning rate. Nothing was written."
                raise InputError("an autoencoder with finite weights to save", f"NaN or infinity in {name}", remedy)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(save(state, {"format": "pt", **notes}), folder / WEIGHTS)
            write_whole(self.configuration, folder / CONFIGURATION)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{folder} to be writable", str(error), "Is the disk full?") from error
        return folder


def _place(folder: Path) -> Path:
    """Return the folder of the autoencoder itself."""
    place = folder if (folder / CONFIGURATION).is_file() else folder / "vae"
    if not (place / CONFIGURATION).is_file():
        remedy = "Nothing is downloaded: save the autoencoder with save_pretrained first."
        raise InputError(f"the folder of an autoencoder, with {CONFIGURATION}", f"none in {folder}", remedy)
    if not (place / WEIGHTS).is_file():
        remedy = "save_pretrained(folder, safe_serialization=True) writes them; pickles are not opened."
        raise InputError(f"weights in {place / WEIGHTS}", "no such file", remedy)
    return place


def _settings(  # as AutoencoderKL's own, whose annotations give tuples one element
    in_channels: int = 3,
    out_channels: int = 3,
    down_block_types: tuple[str, ...] = ("DownEncoderBlock2D",),
    up_block_types: tuple[str, ...] = ("UpDecoderBlock2D",),
    block_out_channels: tuple[int, ...] = (64,),
    layers_per_block: int = 1,
    act_fn: str = "silu",
    latent_channels: int = 4,
    norm_num_groups: int = 32,
    sample_size: int | tuple[int, ...] = 32,
    scaling_factor: float = 0.18215,
    shift_factor: float | None = None,
    latents_mean: tuple[float, ...] | None = None,
    latents_std: tuple[float, ...] | None = None,
    force_upcast: bool = True,
    use_quant_conv: bool = True,
    use_post_quant_conv: bool = True,
    mid_block_add_attention: bool = True,
) -> dict[str, Any]:
    return dict(locals())


def _configuration(file: Path) -> tuple[bytes, dict[str, Any]]:
    """Return a configuration as it is written, and the arguments that it gives ``AutoencoderKL``."""
    if file.stat().st_size > _LARGEST:
        raise InputError(f"a configuration of at most {_LARGEST:,} bytes", f"{file.stat().st_size:,} in {file}")
    try:
        written = file.read_bytes()
        data = json.loads(written)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} in JSON", str(error).splitlines()[0][:200]) from error
    if not isinstance(data, dict) or data.get("_class_name") != "AutoencoderKL":
        got = shown(data.get("_class_name") if isinstance(data, dict) else data)
        raise InputError(f"{file} to be the configuration of an AutoencoderKL", got)
    given = {name: value for name, value in data.items() if not name.startswith("_")}
    settings = _settings(**checked_arguments(_settings, given, f"the AutoencoderKL in {file}"))
    if (settings["in_channels"], settings["out_channels"]) != (3, 3):
        got = f"{settings['in_channels']} and {settings['out_channels']} channels"
        raise InputError("an autoencoder of RGB pictures", got)
    return written, settings


def _opened(file: Path, settings: dict[str, Any]) -> Any:
    """Return the model with its weights, which is no larger than they are."""
    kind = _kind(file)
    _, shapes = read_header(file)
    written = {_present(name): name for name in shapes}
    elements = sum(math.prod(shape) for shape in shapes.values())
    with _explained(file):
        model = outline(kind, settings, len(shapes), elements, f"That is what {file} has weights for.")
    expected = {written.get(name, name): value for name, value in model.state_dict().items()}
    state = read_state(file, expected, shapes, "AutoencoderKL")
    model.load_state_dict({_present(name): value for name, value in state.items()}, assign=True)
    return model.eval()


def _kind(file: Path) -> Any:
    if find_spec("diffusers") is None:
        remedy = "Install it: pip install 'perceptualloss[diffusers]'."
        raise InputError("diffusers, which has the layers of its autoencoders", f"{file} and no such package", remedy)
    from diffusers import AutoencoderKL  # noqa: PLC0415 (seconds)

    return AutoencoderKL


def _present(name: str) -> str:
    """Return what a weight is called today: files from before 2023 call those of attention otherwise.

    >>> _present("encoder.mid_block.attentions.0.proj_attn.bias")
    'encoder.mid_block.attentions.0.to_out.0.bias'
    """
    return _FORMER.sub(lambda match: match[1] + _PRESENT[match[2]], name)


@contextlib.contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Say in a line what a configuration's values make impossible."""
    try:
        yield
    except (LookupError, AttributeError, AssertionError) as error:
        raise InputError(f"a configuration that AutoencoderKL can be built with beside {file}", str(error)) from error
