"""Chapter 1: the perceptual loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VGG16_Weights, vgg16


class VGG16PerceptualLoss(nn.Module):
    """The mean absolute difference between VGG-16's features (relu3_3) of two pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features[:16].eval()
        for parameter in self.vgg.parameters():
            parameter.requires_grad = False
        self.l1_loss = nn.L1Loss()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Compare two batches of pictures, (N, 3, H, W) each; return one number."""
        output = F.interpolate(output, size=(224, 224), mode="bilinear", align_corners=False)
        target = F.interpolate(target, size=(224, 224), mode="bilinear", align_corners=False)
        features = self.vgg(output)
        with torch.no_grad():
            wanted = self.vgg(target)
        loss: Tensor = self.l1_loss(features, wanted)
        return loss
