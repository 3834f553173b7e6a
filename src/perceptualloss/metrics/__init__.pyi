"""The public names of the metrics beside the functions, and where each of them lives."""

from .classes import LPIPS as LPIPS
from .classes import MSSSIM as MSSSIM
from .classes import PSNR as PSNR
from .classes import SSIM as SSIM
from .classes import SSIMULACRA2 as SSIMULACRA2
from .classes import STLPIPS as STLPIPS
from .classes import PerceptualDistance as PerceptualDistance
from .classes import StructureTexture as StructureTexture
from .image_metric import ImageMetric as ImageMetric
from .protocol import Convention as Convention
from .registry import list_metrics as list_metrics
from .registry import register_metric as register_metric
