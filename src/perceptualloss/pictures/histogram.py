"""Give one picture the colours of another."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_image_batch


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
