"""The metrics as classes of torchmetrics, for loops of one's own, a ``MetricCollection``, or ``self.log`` of Lightning.

What all of them share, with the arguments ``protocol``, ``scale``, ``crop_border`` and ``input_range``, is written at
:class:`ImageMetric`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from perceptualloss.metrics import st_lpips
from perceptualloss.metrics.image_metric import ImageMetric, Settings
from perceptualloss.metrics.lpips import Net


class PSNR(ImageMetric):
    r"""Peak signal-to-noise ratio in dB, the mean over pictures; higher is better, infinite once a picture is equal.

    :math:`-10 \log_{10} \frac{1}{CHW} \sum (\hat y - y)^2` of values in [0, 1], of each picture, as papers average it;
    torchmetrics' ``PeakSignalNoiseRatio`` takes the logarithm of the mean error of all pictures, which is less.
    Super-resolution papers: ``PSNR(protocol="sr", scale=4)``. See :func:`perceptualloss.psnr` and :class:`ImageMetric`.
    """

    higher_is_better = True
    is_differentiable = True

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__("psnr", **settings)


class SSIM(ImageMetric):
    """Structural similarity, the mean over pictures, in [-1, 1], 1 for equal ones; higher is better.

    An 11 x 11 Gaussian window (sigma 1.5) where it fits wholly into the picture, so at least 11 pixels a side inside
    the border; K = (0.01, 0.03). The formula is at :func:`perceptualloss.losses.ssim.structural_similarity`.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004.
    """

    higher_is_better = True
    is_differentiable = True

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__("ssim", **settings)


class MSSSIM(ImageMetric):
    """Multi-scale structural similarity, the mean over pictures, in [0, 1], 1 for equal ones; higher is better.

    The product of contrast-and-structure at every scale and luminance at the coarsest, each to a power (see
    :func:`perceptualloss.losses.ssim.multi_scale_structural_similarity`).

    Args:
        scales: how many, from the finest on, 1 to 5; five take 161 pixels a side, two take 21.
        settings: see :class:`ImageMetric`.

    Source: Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", 2003.
    """

    higher_is_better = True
    is_differentiable = True

    def __init__(self, scales: int = 5, **settings: Unpack[Settings]) -> None:
        super().__init__("ms_ssim", options={"scales": scales}, **settings)


class LPIPS(ImageMetric):
    r"""Learned perceptual image patch similarity 0.1, the mean over pictures; lower is nearer, 0 for equal ones.

    :math:`\sum_j \frac{1}{H_jW_j} \sum_{hw} \| \sqrt{w_j} \odot (\hat f_{hw} - \hat g_{hw}) \|_2^2`, about 1 for very
    different pictures. The loss of this name is :class:`perceptualloss.LPIPS`.

    Args:
        net: the backbone: "alex" is what papers report; "vgg" or "squeeze".
        weights: "imagenet", or a file with the backbone's weights.
        settings: see :class:`ImageMetric`.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
    """

    higher_is_better = False
    is_differentiable = True

    def __init__(self, net: Net = "alex", weights: str | Path = "imagenet", **settings: Unpack[Settings]) -> None:
        super().__init__(f"lpips-{net}", options={"weights": str(weights)}, **settings)


class STLPIPS(ImageMetric):
    """Shift-tolerant LPIPS, the mean over pictures; lower is nearer, 0 for equal ones, about 1 for very different ones.

    LPIPS on networks without aliasing, so that a shift that nobody sees counts little (see
    :func:`perceptualloss.st_lpips`). Needs ``pip install 'perceptualloss[metrics]'``.

    Args:
        net: "alex" (from 21 pixels a side on) or "vgg" (from 18 on).
        settings: see :class:`ImageMetric`.

    Source: Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022.
    """

    higher_is_better = False

    def __init__(self, net: st_lpips.Net = "alex", **settings: Unpack[Settings]) -> None:
        super().__init__(f"st_lpips_{net}", **settings)
        self.require()


class SSIMULACRA2(ImageMetric):
    """SSIMULACRA 2, the mean over pictures: 100 for equal ones, 90 looks so, below 0 very different; higher is nearer.

    Errors of structure and of edges at six scales, fitted to people's judgements of compressed photos; pictures are
    rounded to 8 bits and measured on the CPU (see :func:`perceptualloss.ssimulacra2`). At least 8 pixels a side. Needs
    ``pip install 'perceptualloss[metrics]'``.

    Source: Sneyers, "SSIMULACRA 2", Cloudinary and the JPEG XL project, 2022.
    """

    higher_is_better = True

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__("ssimulacra2", **settings)
        self.require()


class PerceptualDistance(ImageMetric):
    """The distance that the embedded judge sees, the mean over pictures, in [0, 2]; lower is nearer, 0 for equal ones.

    The geometric mean over four layers of the squared difference of unit-normalised channels, by a small network of
    this package that trains nothing (see :func:`perceptualloss.perceptual_distance`): nothing is downloaded.

    Source: the distance in a layer is LPIPS's without learned weights (Zhang et al. 2018).
    """

    higher_is_better = False

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__("perceptual_distance", **settings)


class StructureTexture(ImageMetric):
    """Structure and texture to the embedded judge, the mean over pictures; lower is nearer, 0 for equal ones.

    How alike the means (texture) and the covariances (structure) of a picture's features are; about 1 at most. Texture
    may lie elsewhere (see :func:`perceptualloss.metrics.embedded.structure_texture`). The form of DISTS with equal
    weights and another network, so its values are not those of DISTS.

    Source: the form is that of Ding et al., "Image Quality Assessment: Unifying Structure and Texture Similarity",
    2020.
    """

    higher_is_better = False

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__("structure_texture", **settings)
