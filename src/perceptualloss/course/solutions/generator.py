"""Chapter 6: the generator."""

from torch import Tensor, nn

from perceptualloss import ResNetBlock


class Generator(nn.Module):
    """Work at the small size, enlarge with PixelShuffle, and add the interpolated picture."""

    def __init__(self) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=True)
        self.model = nn.Sequential(
            ResNetBlock(3, 16, kernel_size=7),
            ResNetBlock(16, 32, kernel_size=7),
            ResNetBlock(32, 64, kernel_size=7),
            ResNetBlock(64, 128, kernel_size=7),
            ResNetBlock(128, 256, kernel_size=7),
            nn.PixelShuffle(upscale_factor=4),
            nn.Conv2d(16, 3, kernel_size=7, padding=3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn pictures (N, 3, H, W) into pictures (N, 3, 4 * H, 4 * W)."""
        enlarged: Tensor = self.upsample(x) + self.model(x)
        return enlarged
