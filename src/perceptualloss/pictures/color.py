"""Colour: luminance, one picture's colours under another's light, and one picture in the colours of another."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_image_batch, check_same_shape
from perceptualloss.pictures.ranges import FAR, check_values


def luminance(images: Tensor) -> Tensor:
    """Return the luminance Y of BT.601 in studio range, as MATLAB's ``rgb2ycbcr`` does.

    Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255, from 16/255 for black to 235/255 for white.

    Args:
        images: RGB, (N, 3, H, W), in [0, 1].

    Returns:
        (N, 1, H, W), at least float32.

    >>> (255 * luminance(torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2))).round()
    tensor([[[[ 16., 235.]]]])
    """
    check_image_batch("images", images)
    if images.device.type == "cpu":  # elsewhere reading values waits
        check_values("images", images, 0, 1, FAR, "", finite=False, doubts=False)
    red, green, blue = images.to(torch.promote_types(images.dtype, torch.float32)).unbind(1)
    return ((16 + 65.481 * red + 128.553 * green + 24.966 * blue) / 255).unsqueeze(1)


def luma(images: Tensor) -> Tensor:
    """Return 0.299 R + 0.587 G + 0.114 B of BT.601 in full range, from 0 for black to 1 for white.

    Args:
        images: RGB, (N, 3, H, W) or (3, H, W), in [0, 1].

    Returns:
        (N, 1, H, W) or (1, H, W), of the images' type.

    >>> luma(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)).flatten()
    tensor([0.2990])
    """
    return (images * images.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=-3, keepdim=True)


_STUDIO = 255 / 219  # images.luminance runs from 16 to 235 of 255


def keep_colors(picture: Tensor, content: Tensor) -> Tensor:
    """Return the luminance of ``picture`` with the chrominance of ``content``, (N, 3, H, W) in [0, 1].

    The same amount is added to red, green and blue, which changes Y of YIQ alone; what leaves [0, 1] is clipped.

    Raises:
        InputError: for pictures of different shape.

    Source: Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016 (luminance-only transfer).

    >>> import torch
    >>> grey, red = torch.full((1, 3, 1, 1), 0.5), torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1)
    >>> keep_colors(grey, red).flatten()
    tensor([0.9206, 0.3206, 0.3206])
    """
    check_same_shape("picture", picture, "content", content)
    return (content + _STUDIO * (luminance(picture) - luminance(content))).clamp(0, 1)


def luminance_like(picture: Tensor, content: Tensor) -> Tensor:
    """Return the luminance of ``picture`` in three equal channels, with the mean and spread of that of ``content``.

    So a dark painting does not darken the photo: Gatys et al. match them before the transfer.
    """
    own, other = ((_STUDIO * luminance(x) - 16 / 219) for x in (picture, content))
    spread = other.std(correction=0) / own.std(correction=0).clamp(min=1e-4)
    return ((own - own.mean()) * spread + other.mean()).clamp(0, 1).expand(-1, 3, -1, -1)


def match_histogram(images: Tensor, reference: Tensor) -> Tensor:
    """Return ``images`` with the histogram of ``reference``, channel by channel and picture by picture.

    Johnson et al. give the outputs of their super-resolution networks the histogram of their inputs, because
    a feature loss does not see small shifts of colour.

    Args:
        images: (N, 3, H, W), floating point.
        reference: (N, 3, any height, any width).

    Raises:
        InputError: no pictures, or another number of pictures than of references.

    Source: Johnson, Alahi and Fei-Fei 2016, section 4.2; scikit-image's ``match_histograms``.

    >>> match_histogram(torch.rand(1, 3, 8, 8), torch.full((1, 3, 4, 4), 0.25)).unique()
    tensor([0.2500])
    """
    from skimage.exposure import match_histograms  # noqa: PLC0415  import perceptualloss shall not need it

    check_image_batch("images", images)
    check_image_batch("reference", reference)
    if len(images) != len(reference):
        raise InputError("as many references as images", f"{len(reference)} and {len(images)}")
    pairs = zip(images.detach().cpu().numpy(), reference.detach().cpu().numpy(), strict=True)
    matched = [torch.from_numpy(match_histograms(image, other, channel_axis=0)) for image, other in pairs]
    return torch.stack(matched).to(images)
