"""Image transformation with perceptual losses.

Losses, loss networks, transformation networks and measures, all on one contract: an image batch is RGB,
(N, 3, H, W), floating point, in [0, 1]. Training and comparison are in ``perceptualloss.training`` and
``perceptualloss.studies``, and on the command line; importing this package loads neither.
"""

from perceptualloss.apply.stylize import stylize
from perceptualloss.apply.upscale import upscale
from perceptualloss.data.degrade import Degradation
from perceptualloss.data.registry import register_degradation
from perceptualloss.errors import InputError
from perceptualloss.features.network import LossNetwork, loss_network
from perceptualloss.losses.adversarial import GANLoss, clip_weights, gradient_penalty
from perceptualloss.losses.base import Loss, WeightedLoss
from perceptualloss.losses.color import AngularColorLoss, BlurredColorLoss
from perceptualloss.losses.edge import EdgeLoss
from perceptualloss.losses.feature import FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.presets import build_loss
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.ssim import MSSSIMLoss, SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.metrics.embedded import perceptual_distance
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.ssim import ms_ssim, ssim
from perceptualloss.metrics.ssimulacra2 import ssimulacra2
from perceptualloss.metrics.st_lpips import st_lpips
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Critic, Generator, ResNetBlock, Upscale2x, Upscale4x
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.named import NetworkCard, list_networks, load_network
from perceptualloss.networks.registry import register_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.resize import resize

__all__ = [
    "LPIPS",
    "AngularColorLoss",
    "BlurredColorLoss",
    "CharbonnierLoss",
    "Critic",
    "Degradation",
    "EdgeLoss",
    "FeatureReconstructionLoss",
    "GANLoss",
    "Generator",
    "InputError",
    "L1Loss",
    "Loss",
    "LossNetwork",
    "MSELoss",
    "MSSSIMLoss",
    "NetworkCard",
    "PerceptualLoss",
    "ResNetBlock",
    "ResidualUpscaler",
    "SSIMLoss",
    "SlicedWassersteinLoss",
    "StyleReconstructionLoss",
    "StyleTransferNetwork",
    "SubPixelUpscaler",
    "SuperResolutionNetwork",
    "TotalVariationLoss",
    "TransformationNetwork",
    "Upscale2x",
    "Upscale4x",
    "VGG16PerceptualLoss",
    "WeightedLoss",
    "build_loss",
    "clip_weights",
    "gradient_penalty",
    "list_networks",
    "load_network",
    "loss_from_settings",
    "loss_network",
    "luminance",
    "ms_ssim",
    "perceptual_distance",
    "psnr",
    "read_image",
    "register_degradation",
    "register_network",
    "resize",
    "save_network",
    "ssim",
    "ssimulacra2",
    "st_lpips",
    "stylize",
    "upscale",
    "write_image",
]
