"""Right answers pass: the package's, those that the sources print, and others that say the same in other words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptualloss.course.chapters import CHAPTERS, find_chapter
from perceptualloss.course.checks import check

PRINTED_BLOCK = "import torch\nfrom torch import nn\nfrom perceptualloss import ResNetBlock\n"
PRINTED = {
    1: """
import torch
from torch import nn
from torchvision.models import vgg16

class VGG16PerceptualLoss(nn.Module):
  def __init__(self):
    super(VGG16PerceptualLoss, self).__init__()
    self.vgg = vgg16(pretrained=True).features[:16].eval()

    for param in self.vgg.parameters():
        param.requires_grad = False

    self.l1_loss = nn.L1Loss()

  def forward(self, output, target):
     output = torch.nn.functional.interpolate(output, size=(224, 224), mode='bilinear', align_corners=False)
     target = torch.nn.functional.interpolate(target, size=(224, 224), mode='bilinear', align_corners=False)

     f1 = self.vgg(output)

     with torch.no_grad():
      f2 = self.vgg(target)

     return self.l1_loss(f1, f2)
""",
    2: f"""{PRINTED_BLOCK}
class Upscale2x(nn.Module):
  def __init__(self):
     super(Upscale2x, self).__init__()
     self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
     self.model = nn.Sequential(
         ResNetBlock(3, 64, kernel_size=9),
         ResNetBlock(64, 32, kernel_size=7),
         ResNetBlock(32, 16, kernel_size=5),
         nn.Conv2d(16, 3, kernel_size=5, padding=2),
     )

  def forward(self, x):
     up = self.upsample(x)
     x = up + self.model(up)
     return x
""",
    5: f"""{PRINTED_BLOCK}
class Upscale4x(nn.Module):
   def __init__(self):
       super(Upscale4x, self).__init__()
       self.upsample = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=True)
       self.model = nn.Sequential(
           ResNetBlock(3,  64, kernel_size=9),
           ResNetBlock(64, 48, kernel_size=7),
           ResNetBlock(48, 32, kernel_size=5),
           ResNetBlock(32, 24, kernel_size=5),
           nn.Conv2d(24, 3, kernel_size=5, padding=2),
       )

   def forward(self, x):
       up = self.upsample(x)
       x = up + self.model(up)
       return x
""",
    6: f"""{PRINTED_BLOCK}
class Generator(nn.Module):
  def __init__(self):
    super(Generator, self).__init__()

    self.upBilinear = nn.Upsample(
        scale_factor=4, mode="bilinear", align_corners=True
    )

    self.model = nn.Sequential(
        ResNetBlock(3, 16, kernel_size=7),
        ResNetBlock(16, 32, kernel_size=7),
        ResNetBlock(32, 64, kernel_size=7),
        ResNetBlock(64, 128, kernel_size=7),
        ResNetBlock(128, 256, kernel_size=7),
        nn.PixelShuffle(upscale_factor=4),  # First upsample
        nn.Conv2d(16, 3, kernel_size=7, padding=3),  # Final conv to reduce channels
    )

  def forward(self, x):
    x = self.upBilinear(x) + self.model(x)

    return x
""",
}

LOSS = """
import torch
import torchvision
import torch.nn.functional as F
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

class VGG16PerceptualLoss(nn.Module):
"""
BLOCK = """
import torch
import torch.nn.functional as F
from torch import nn

class Block(nn.Module):
    def __init__(self, a, b, k):
        super().__init__()
        self.c1 = nn.Conv2d(a, a, k, padding="same", padding_mode="reflect")
        self.c2 = nn.Conv2d(a, b, k, padding=k // 2)
        self.n1, self.n2 = nn.BatchNorm2d(a), nn.BatchNorm2d(b)
        self.short = nn.Sequential(nn.Conv2d(a, b, 1), nn.BatchNorm2d(b))

    def forward(self, x):
        y = self.n1(torch.relu(self.c1(x)))
        y = self.n2(F.leaky_relu(self.c2(y), 0.1))
        y += self.short(x)
        return y
"""
ADVERSARIAL = find_chapter(7).solution()
OTHERS = {
    "a hook in the whole network": (
        1,
        LOSS
        + """
    def __init__(self):
        super().__init__()
        self.net = torchvision.models.get_model("vgg16", weights="DEFAULT").eval().requires_grad_(False)
        self.net.features[15].register_forward_hook(self.keep)

    def keep(self, module, inputs, result):
        self.kept = result.clone()

    def forward(self, output, target):
        found = []
        for picture in (output, target.detach()):
            self.net(F.interpolate(picture, (224, 224), mode="bilinear"))
            found.append(self.kept)
        return F.l1_loss(*found)
""",
    ),
    "an extractor, a joined batch, ImageNet's statistics": (
        1,
        LOSS
        + """
    def __init__(self):
        super().__init__()
        net = torchvision.models.vgg16(weights=torchvision.models.VGG16_Weights.DEFAULT).eval()
        self.look = create_feature_extractor(net, {"features.15": "relu3_3"})
        for p in self.parameters():
            p.requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, output, target):
        both = (torch.cat([output, target.detach()]) - self.mean) / self.std
        both = F.interpolate(both, size=224, mode="bilinear", align_corners=False)
        a, b = self.look(both)["relu3_3"].chunk(2)
        return (a - b).abs().mean()
""",
    ),
    "a network outside of the module, set to eval in every call": (
        1,
        LOSS.replace("class", "NET = [torchvision.models.vgg16(True).features[:16]]\n\nclass")
        + """
    def forward(self, output, target):
        net = NET[0].eval()
        for p in net.parameters():
            p.requires_grad = False
        a, b = (net(F.interpolate(x, (224, 224), mode="bilinear")) for x in (output, target))
        return torch.mean(torch.abs(b.detach() - a))
""",
    ),
    "blocks of one's own, functions in place of modules": (
        2,
        BLOCK
        + """
class Upscale2x(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(3, 64, 9), Block(64, 32, 7), Block(32, 16, 5)])
        self.last = nn.Conv2d(16, 3, 5, padding=2)

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        y = x
        for block in self.blocks:
            y = block(y)
        return torch.add(self.last(y), x)
""",
    ),
    "twice the size, twice": (
        5,
        PRINTED[2].replace("64, 32", "64, 8").replace("32, 16", "8, 8").replace("16, 3", "8, 3")
        + """
class Upscale4x(nn.Module):
    def __init__(self):
        super().__init__()
        self.twice = nn.Sequential(Upscale2x(), Upscale2x())

    def forward(self, x):
        return self.twice(x)
""",
    ),
    "two PixelShuffles in functions, blocks of one's own": (
        6,
        BLOCK
        + """
class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [3, 16, 32, 64, 128, 256]
        self.blocks = nn.Sequential(*[Block(a, b, 7) for a, b in zip(widths, widths[1:])])
        self.last = nn.Conv2d(16, 3, 7, padding=3)

    def forward(self, x):
        y = F.pixel_shuffle(F.pixel_shuffle(self.blocks(x), 2), 2)
        return F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=True) + self.last(y)
""",
    ),
    "a step with a closure, clipped gradients and a detached tensor": (
        3,
        """
import torch

def train_step(model, loss, optimizer, low, high):
    def closure():
        optimizer.zero_grad()
        value = loss(model(low), high)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        return value
    return optimizer.step(closure).detach()
""",
    ),
    "the model's own zero_grad, behind the step": (
        3,
        """
def train_step(model, loss, optimizer, low, high):
    value = loss(model.train()(low), high)
    value.backward()
    optimizer.step()
    model.zero_grad()
    return value.item()
""",
    ),
    "a seeded shuffle, and pictures one by one": (
        4,
        """
import math, random, torch

def split(photos, held_out):
    mixed = random.Random(0).sample(photos, len(photos))
    return mixed[:-held_out], mixed[-held_out:]

def psnr(output, target):
    errors = [((a - b) ** 2).mean().item() for a, b in zip(output, target)]
    return sum(10 * math.log10(1 / e) for e in errors) / len(errors)

@torch.inference_mode()
def validate(model, pairs):
    was = model.training
    model.eval()
    found = []
    for low, high in pairs:
        for a, b in zip(low, high):
            out = model(a[None])
            found.append((((out - b) ** 2).mean().item(), psnr(out, b[None])))
    model.train(was)
    return dict(zip(("mse", "psnr"), (sum(column) / len(found) for column in zip(*found))))
""",
    ),
    "a critic of patches; no freezing, but gradients zeroed in both steps": (
        7,
        """
import torch
from torch import nn

class Critic(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, 2), nn.InstanceNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 3))

def adversarial_step(G, D, og, od, low, high, perceptual_loss, tv_loss, n_critic=5, clip_value=0.01, **weights):
    for _ in range(n_critic):
        with torch.no_grad():
            fake = G(low)
        both = D(torch.cat([high, fake]))
        real, made = both.chunk(2)
        d = made.mean() - real.mean()
        od.zero_grad()
        d.backward()
        od.step()
        for p in D.parameters():
            p.data.clamp_(-clip_value, clip_value)
    out = G(low)
    g = -D(out).mean() * weights["weight_critic"]
    g = g + weights["weight_perceptual"] * perceptual_loss(out, high) + weights["weight_tv"] * tv_loss(out)
    og.zero_grad()
    g.backward()
    og.step()
    return d.detach(), g.detach()
""",
    ),
    "a backward pass for each half of the critic's loss": (
        7,
        ADVERSARIAL.replace(
            "critic_loss = -torch.mean(critic(high)) + torch.mean(critic(fake))",
            "(-critic(high).mean()).backward()\n        critic_loss = critic(fake).mean()",
        ),
    ),
    "a picture behind a sigmoid": (
        9,
        find_chapter(9)
        .solution()
        .replace("network(picture)", "network(picture.sigmoid())")
        .replace("picture.detach()", "picture.detach().sigmoid()")
        .replace("lr=learning_rate", "lr=4 * learning_rate"),
    ),
    "a critic for 256 x 256 alone": (
        7,
        ADVERSARIAL.replace("self.score = nn.Linear(128, 1)", "self.score = nn.Linear(128 * 32 * 32, 1)").replace(
            "self.features(images).mean(dim=(2, 3))", "self.features(images).flatten(1)"
        ),
    ),
    "einsum, and norms": (
        8,
        """
import torch

def gram_matrix(f):
    return torch.einsum("nchw,ndhw->ncd", f, f) / f[0].numel()

def style_loss(output, target):
    return sum(torch.linalg.norm(gram_matrix(a) - gram_matrix(b), dim=(1, 2)).pow(2).mean()
               for a, b in zip(output, target))
""",
    ),
    "L-BFGS": (
        9,
        """
import torch

def reconstruct(network, photo, steps=200, learning_rate=0.05):
    wanted = network(photo.detach()).detach()
    picture = torch.full_like(photo, 0.5).add_(0.1 * torch.randn(photo.shape)).requires_grad_()
    moving = torch.optim.LBFGS([picture], max_iter=steps)
    def closure():
        moving.zero_grad()
        loss = (network(picture) - wanted).pow(2).mean()
        loss.backward()
        return loss
    moving.step(closure)
    return picture.detach().clamp(0, 1)
""",
    ),
}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.file)
def test_the_solutions(chapter: object, answer: Callable[[str], Path]) -> None:
    check(chapter.number, answer(chapter.solution()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", PRINTED)
def test_what_the_sources_print(number: int, answer: Callable[[str], Path]) -> None:
    check(number, answer(PRINTED[number]))


@pytest.mark.parametrize("what", OTHERS)
def test_other_right_answers(what: str, answer: Callable[[str], Path]) -> None:
    number, text = OTHERS[what]
    check(number, answer(text))
