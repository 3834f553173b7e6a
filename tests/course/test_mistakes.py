# ruff: noqa: E501 (a table: a mistake a line)
"""Each typical mistake, made in a right answer, gets the message that names it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest

from perceptualloss.course.answer import Mistake
from perceptualloss.course.chapters import find_chapter
from perceptualloss.course.checks import check
from perceptualloss.course.texts import LANGUAGES, text

OWN_BLOCK = """
class ResNetBlock(nn.Module):
    def __init__(self, a: int, b: int, kernel_size: int) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.c1 = nn.Conv2d(a, b, kernel_size, padding=padding)
        self.c2 = nn.Conv2d(b, b, kernel_size, padding=padding)
        self.n1, self.n2, self.s = nn.BatchNorm2d(b), nn.BatchNorm2d(b), nn.Conv2d(a, b, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.n1(self.c1(x).relu())
        y = self.c2(y) + self.s(x)
        return self.n2(y.relu())
"""
OWN = ("from perceptualloss import ResNetBlock\n", OWN_BLOCK)
UP = 'mode="bilinear", align_corners=True'
LOSS = "critic_loss = -torch.mean(critic(high)) + torch.mean(critic(fake))"
CLIP = """        with torch.no_grad():
            for parameter in critic.parameters():
                parameter.clamp_(-clip_value, clip_value)
"""
FREEZE = "    generator.requires_grad_(False)\n"
RETURN = "return critic_loss.item(), generator_loss.item()"
Change = tuple[str, str]
MISTAKES: list[tuple[int, str, list[Change], str]] = [
    # 1: the sentence's key, what is changed in the solution, and words that the English message must have
    (1, "vgg.not_frozen", [("requires_grad = False", "requires_grad = True")], "not frozen"),
    (1, "vgg.layer", [("[:16]", "[:23]")], "relu4_3"),
    (1, "vgg.layer", [("[:16]", "[:9]")], "relu2_2"),
    (1, "vgg.layer", [("[:16]", "[:17]")], "pool3"),
    (1, "vgg.before_relu", [("[:16]", "[:15]")], "features[:16]"),
    (1, "vgg.layers", [("wanted = self.vgg(target)", "wanted = self.vgg[:15](target)")], "conv3_3, relu3_3"),
    (1, "vgg.no_resize", [('F.interpolate(output, size=(224, 224), mode="bilinear", align_corners=False)', "output"),
                          ('F.interpolate(target, size=(224, 224), mode="bilinear", align_corners=False)', "target")],
     "40 x 48"),
    (1, "vgg.no_resize", [('F.interpolate(target, size=(224, 224), mode="bilinear", align_corners=False)', "target")],
     "target goes"),
    (1, "vgg.size", [("(224, 224)", "(256, 256)")], "256 x 256"),
    (1, "vgg.nearest", [(', mode="bilinear", align_corners=False', "")], "nearest"),
    (1, "vgg.align_corners", [("align_corners=False", "align_corners=True")], "align_corners=False"),
    (1, "vgg.resized_otherwise", [("features = self.vgg(output)", "features = self.vgg(output.flip(3))")], "bilinearly"),
    (1, "vgg.train_mode", [(".eval()", ".train()")], "train mode"),
    (1, "vgg.gradient_to_target", [("with torch.no_grad()", "with torch.enable_grad()")], "target"),
    (1, "vgg.gradient_exchanged", [("features = self.vgg(output)", "features = self.vgg(target)"),
                                   ("wanted = self.vgg(target)", "wanted = self.vgg(output)")], "in place of the output"),
    (1, "vgg.no_gradient", [("features = self.vgg(output)", "features = self.vgg(output).detach()")], "No gradient"),
    (1, "vgg.l2", [("nn.L1Loss()", "nn.MSELoss()")], "nn.L1Loss"),
    (1, "vgg.sum", [("nn.L1Loss()", 'nn.L1Loss(reduction="sum")')], "mean"),
    (1, "vgg.distance", [("nn.L1Loss()", "nn.SmoothL1Loss()")], "mean absolute difference"),
    (1, "not_scalar", [("nn.L1Loss()", 'nn.L1Loss(reduction="none")')], "one number"),
    (1, "vgg.no_weights", [("weights=VGG16_Weights.IMAGENET1K_V1", "")], "trained weights"),
    (1, "vgg.network", [("vgg16(weights=VGG16_Weights.IMAGENET1K_V1)", "vgg19(weights='DEFAULT')"),
                        ("import VGG16_Weights, vgg16", "import vgg19")], "VGG-19"),
    (1, "vgg.none", [("features = self.vgg(output)", "features = output"), ("wanted = self.vgg(target)", "wanted = target")],
     "do not go through"),
    (1, "vgg.no_comparison", [("self.l1_loss(features, wanted)", "(features.mean() - wanted.mean()).abs()")], "compared"),
    (1, "vgg.unseen", [("wanted = self.vgg(target)", "wanted = self.vgg(output)")], "target"),
    (1, "returns", [("return loss", "pass")], "return"),
    # 2: the network for twice the size
    (2, "net.norm_before_relu", [OWN, ("self.n1(self.c1(x).relu())", "self.n1(self.c1(x)).relu()")], "before ReLU"),
    (2, "net.norm_before_relu_sum", [OWN, ("self.n2(y.relu())", "self.n2(y).relu()")], "before ReLU"),
    (2, "net.norm_missing", [OWN, ("self.n1(self.c1(x).relu())", "self.c1(x).relu()")], "Only 3 batch norms"),
    (2, "net.no_norm", [OWN, ("self.n1(self.c1(x).relu())", "self.c1(x).relu()"), ("self.n2(y.relu())", "y.relu()")],
     "No batch norm"),
    (2, "net.relu_missing", [OWN, ("self.n2(y.relu())", "self.n2(y)"), ("self.n1(self.c1(x).relu())", "self.n1(self.c1(x).relu())")],
     "activations"),
    (2, "net.no_shortcut", [OWN, (" + self.s(x)", "")], "shortcut"),
    (2, "net.no_skip", [("up + self.model(up)", "self.model(up)")], "not added"),
    (2, "net.align_corners", [(UP, 'mode="bilinear"')], "align_corners=True"),
    (2, "net.nearest", [(UP, 'mode="nearest"')], "nearest"),
    (2, "net.bicubic", [(UP, 'mode="bicubic", align_corners=True')], "bicubically"),
    (2, "net.padding", [("16, 3, kernel_size=5, padding=2", "16, 3, kernel_size=5")], "padding=2"),
    (2, "net.padding", [OWN, ("padding = kernel_size // 2", "padding = 3")], "padding=4"),
    (2, "net.kernel", [("64, kernel_size=9", "64, kernel_size=7")], "9 x 9"),
    (2, "net.channels", [("3, 64,", "3, 48,"), ("64, 32,", "48, 32,")], "3 -> 48"),
    (2, "net.block_missing", [("            nn.Conv2d(16, 3, kernel_size=5, padding=2),\n", ""), ("ResNetBlock(32, 16, kernel_size=5)", "nn.Conv2d(32, 3, 1)")],
     "Block 3 is missing"),
    (2, "net.last_kernel", [("nn.Conv2d(16, 3, kernel_size=5, padding=2)", "nn.Conv2d(16, 3, kernel_size=3, padding=1)")],
     "5 x 5"),
    (2, "net.last", [("nn.Conv2d(16, 3, kernel_size=5, padding=2)", "ResNetBlock(16, 3, kernel_size=5)")], "16 -> 3"),
    (2, "net.last_missing", [("nn.Conv2d(16, 3, kernel_size=5, padding=2)", "nn.Conv2d(16, 3, kernel_size=1)")], "last"),
    (2, "net.last_activation", [("kernel_size=5, padding=2),", "kernel_size=5, padding=2), nn.ReLU(),")], "relu"),
    (2, "net.last_activation", [("kernel_size=5, padding=2),", "kernel_size=5, padding=2), nn.Tanh(),")], "tanh"),
    (2, "net.last_norm", [("kernel_size=5, padding=2),", "kernel_size=5, padding=2), nn.BatchNorm2d(3),")], "Batch norm"),
    (2, "net.after_sum", [("up + self.model(up)", "(up + self.model(up)).clamp(0, 1)")], "clamp"),
    (2, "net.skip_otherwise", [("up + self.model(up)", "0.5 * up + self.model(up)")], "bilinearly enlarged"),
    (2, "net.shape", [("scale_factor=2", "scale_factor=3")], "(1, 3, 12, 16)"),
    (2, "not_module", [("class Upscale2x(nn.Module):", "class Upscale2x:")], "nn.Module"),
    (2, "net.mismatch", [("64, 32,", "48, 32,")], "expects 48 channels and gets 64"),
    # 3: one step
    (3, "step.not_zeroed", [("    optimizer.zero_grad()\n", "")], "not zeroed"),
    (3, "step.no_backward", [("    value.backward()\n", "")], "backward()"),
    (3, "step.no_step", [("    optimizer.step()\n", "")], "optimizer.step()"),
    (3, "step.steps", [("optimizer.step()", "optimizer.step(); optimizer.step()")], "2 steps"),
    (3, "step.step_before_backward", [("    value.backward()\n    optimizer.step()", "    optimizer.step()\n    value.backward()")],
     "before"),
    (3, "step.zeroed_before_step", [("    optimizer.step()", "    optimizer.zero_grad()\n    optimizer.step()")], "between"),
    (3, "step.eval_mode", [("model.train()", "model.eval()")], "eval mode"),
    (3, "step.no_grad", [("output = model(low)", "with __import__('torch').no_grad():\n        output = model(low)")],
     "no_grad"),
    (3, "step.output_detached", [("loss(output, high)", "loss(output.detach(), high)")], "detached"),
    (3, "step.loss_exchanged", [("loss(output, high)", "loss(high, output)")], "exchanged"),
    (3, "step.inputs_exchanged", [("model(low)", "model(high)")], "low"),
    (3, "step.model_unused", [("output = model(low)", "output = low")], "never called"),
    (3, "step.loss_unused", [("loss(output, high)", "(output - high).abs().mean()")], "loss(output, high)"),
    (3, "step.gradient", [("value.backward()", "(value ** 2 + output.mean()).backward()")], "gradient of"),
    (3, "step.target_gradient", [("value = loss", "high.requires_grad_()\n    value = loss")], "requires_grad"),
    (3, "step.value", [("float(value.item())", "float(value.item()) ** 2")], "loss.item()"),
    (3, "graph", [("float(value.item())", "value")], "graph"),
    # 4: a fair comparison
    (4, "split.overlap", [("ordered[held_out:]", "ordered")], "4 photos"),
    (4, "split.lost", [("ordered[held_out:]", "ordered[held_out + 1:]")], "1 photos"),
    (4, "split.exchanged", [("ordered[held_out:], ordered[:held_out]", "ordered[:held_out], ordered[held_out:]")], "exchanged"),
    (4, "split.size", [("ordered[held_out:], ordered[:held_out]", "ordered[2:], ordered[:2]")], "4"),
    (4, "split.differs", [("ordered = sorted(photos)", "import random\n    ordered = random.sample(photos, len(photos))")], "second"),
    (4, "split.changed", [("ordered = sorted(photos)", "photos.reverse(); ordered = photos")], "copy"),
    (4, "split.returns", [("return ordered[held_out:], ordered[:held_out]", "return ordered")], "two lists"),
    (4, "psnr.sign", [("1 / mse.sqrt()", "mse.sqrt()")], "wrong sign"),
    (4, "psnr.natural_log", [("torch.log10", "torch.log")], "log10"),
    (4, "psnr.half", [("20 * ", "10 * ")], "half"),
    (4, "psnr.no_root", [("mse.sqrt()", "mse")], "root"),
    (4, "psnr.maximum", [("1 / mse", "255 / mse")], "255"),
    (4, "psnr.absolute", [("(output - target).square()", "(output - target).abs()"), ("mse.sqrt()", "mse")], "squared"),
    (4, "psnr.batch", [("mean(dim=(1, 2, 3))", "mean()")], "each picture"),
    (4, "psnr.value", [("20 * ", "3 + 20 * ")], "dB"),
    (4, "validate.train_mode", [("model.eval()", "pass")], "train mode"),
    (4, "validate.gradients", [("torch.no_grad()", "torch.enable_grad()")], "no_grad"),
    (4, "validate.left_in_eval", [("    model.train()\n", "")], "model.train()"),
    (4, "validate.batch_means", [("len(low)", "1")], "MSE"),
    (4, "validate.batch_means", [("decibels / count", "decibels / count"), ("decibels += len(low) * psnr(output, high).item()", "decibels += 3 / len(pairs) * psnr(output, high).item()")], "PSNR"),
    (4, "validate.not_all", [("mse += len(low) *", "mse = 3 *"), ], "last batch"),
    (4, "validate.psnr_of_mean", [('"psnr": decibels / count', '"psnr": float(-10 * torch.log10(torch.tensor(mse / count)))')], "for each picture"),
    (4, "validate.value", [('"mse": mse / count', '"mse": 2 * mse / count')], "mean over all pictures"),
    (4, "validate.returns", [('"psnr":', '"PSNR":')], "keys mse and psnr"),
    (4, "validate.model_unused", [("output = model(low)", "output = high * 0.9")], "model(low)"),
    (4, "validate.changes", [("count, mse", "for p in model.state_dict().values():\n        p.add_(1)\n    count, mse")], "only look"),
    # 5: four times the size, whose blocks are free
    (5, "net.shape", [("scale_factor=4", "scale_factor=2")], "(1, 3, 24, 32)"),
    (5, "net.sizes", [("up + self.model(up)", "x + self.model(up)")], "8 and 32 pixels"),
    (5, "net.no_shortcut", [OWN, (" + self.s(x)", "")], "shortcut"),
    (5, "net.norm_before_relu", [OWN, ("self.n1(self.c1(x).relu())", "self.n1(self.c1(x)).relu()")], "before ReLU"),
    (5, "net.no_skip", [("up + self.model(up)", "self.model(up)")], "not added"),
    (5, "net.align_corners", [(UP, 'mode="bilinear"')], "align_corners=True"),
    (5, "net.last_activation", [("kernel_size=5, padding=2),", "kernel_size=5, padding=2), nn.Sigmoid(),")], "sigmoid"),
    (5, "net.last_channels", [("nn.Conv2d(24, 3, kernel_size=5, padding=2),", ""), ("up + self.model(up)", "up + self.model(up)[:, :3]")],
     "24 channels"),
    # 6: the generator
    (6, "net.at_high_resolution", [("self.model(x)", "self.model(self.upsample(x))"), ("nn.PixelShuffle(upscale_factor=4),", "nn.Conv2d(256, 16, 1),")],
     "small size"),
    (6, "net.no_pixel_shuffle", [("nn.PixelShuffle(upscale_factor=4),", "nn.Upsample(scale_factor=4), nn.Conv2d(256, 16, 1),")], "PixelShuffle(4)"),
    (6, "net.no_pixel_shuffle", [("nn.PixelShuffle(upscale_factor=4),", "nn.ConvTranspose2d(256, 16, 4, 4),")], "PixelShuffle(4)"),
    (6, "net.channels", [("128, 256,", "128, 192,"), ("nn.Conv2d(16,", "nn.Conv2d(12,")], "128 -> 192"),
    (6, "net.kernel", [("3, 16, kernel_size=7", "3, 16, kernel_size=9")], "7 x 7"),
    (6, "net.no_skip", [("self.upsample(x) + self.model(x)", "self.model(x)")], "not added"),
    (6, "net.last_activation", [("kernel_size=7, padding=3),", "kernel_size=7, padding=3), nn.Tanh(),")], "tanh"),
    (6, "net.nearest", [(UP, 'mode="nearest"')], "nearest"),
    # 7: critic and loop
    (7, "critic.sigmoid", [("self.score(self.features(images).mean(dim=(2, 3)))", "self.score(self.features(images).mean(dim=(2, 3))).sigmoid()")], "sigmoid"),
    (7, "critic.activation", [("self.score(self.features(images).mean(dim=(2, 3)))", "self.score(self.features(images).mean(dim=(2, 3))).relu()")], "relu"),
    (7, "critic.batch_mean", [("return scores", "return scores.mean()")], "each picture"),
    (7, "critic.shape", [("nn.Linear(128, 1)", "nn.Linear(128, 2)")], "(2, 2)"),
    (7, "critic.no_gradient", [("self.features(images)", "self.features(images.detach())")], "pictures"),
    (7, "adv.critic_sign", [(LOSS, "critic_loss = torch.mean(critic(high)) - torch.mean(critic(fake))")], "wrong sign"),
    (7, "adv.critic_half", [(LOSS, "critic_loss = -torch.mean(critic(high))")], "fake"),
    (7, "adv.critic_loss", [(LOSS, "critic_loss = -torch.mean(critic(high).sigmoid().log()) + torch.mean(critic(fake))")], "cross entropy"),
    (7, "adv.no_clipping", [(CLIP, "")], "not clipped"),
    (7, "adv.generator_clipped", [("in critic.parameters()", "in generator.parameters()")], "generator's weights are clipped"),
    (7, "adv.clipped_late", [(CLIP, indent(dedent(CLIP), "    "))], "inside the loop"),
    (7, "adv.fakes_not_detached", [(FREEZE, ""), (".detach()", "")], "detach the fakes"),
    (7, "adv.critic_steps", [("range(n_critic)", "range(1)")], "1 steps with n_critic=3"),
    (7, "adv.no_critic_step", [("range(n_critic)", "range(0)"), (RETURN, "return 0.0, generator_loss.item()")], "critic never"),
    (7, "adv.no_generator_step", [("    optimizer_generator.step()\n", "")], "generator never"),
    (7, "adv.critic_not_zeroed", [("        optimizer_critic.zero_grad()\n", "")], "not zeroed"),
    (7, "adv.critic_not_frozen", [("    critic.requires_grad_(False)\n", ""), ("optimizer_critic.zero_grad()", "if _: optimizer_critic.zero_grad()"),
                                  ("critic_loss.backward()", "critic_loss.backward()")], "Freeze the critic"),
    (7, "adv.generator_not_zeroed", [("    optimizer_generator.zero_grad()\n", "")], "optimizer_generator.zero_grad()"),
    (7, "adv.generator_frozen", [("    generator.requires_grad_(True)\n", "")], "still frozen"),
    (7, "adv.generator_detached", [("    fake = generator(low)\n    generator_loss", "    generator_loss"), (FREEZE, ""), ("critic.requires_grad_(False)", "fake.requires_grad_()")], "anew"),
    (7, "adv.generator_sign", [("weight_critic * -torch", "weight_critic * torch")], "low scores"),
    (7, "adv.no_tv", [("        + weight_tv * tv_loss(fake)\n", "")], "total variation"),
    (7, "adv.no_tv", [("tv_loss(fake)", "tv_loss(high)")], "generated pictures"),
    (7, "adv.no_perceptual", [("        + weight_perceptual * perceptual_loss(fake, high)\n", "")], "perceptual loss is missing"),
    (7, "adv.no_adversarial", [("weight_critic * -torch.mean(critic(fake))", "0.0")], "score is missing"),
    (7, "adv.weights", [("weight_perceptual * perceptual", "perceptual")], "0.5, 1, 3"),
    (7, "adv.perceptual_exchanged", [("perceptual_loss(fake, high)", "perceptual_loss(high, fake)")], "exchanged"),
    (7, "adv.generator_loss", [("tv_loss(fake)", "tv_loss(fake) + fake.sin().mean()")], "three losses"),
    (7, "adv.critic_moved", [("    optimizer_generator.step()\n", "    optimizer_generator.step()\n    [p.data.mul_(0.5) for p in critic.parameters()]\n")], "while the generator learns"),
    (7, "adv.order", [(FREEZE, "    optimizer_generator.step()\n"), ("    generator_loss.backward()\n    optimizer_generator.step()\n", "")], "critic first"),
    (7, "adv.generator_steps", [("optimizer_generator.step()", "optimizer_generator.step(); optimizer_generator.step()")], "2 steps"),
    (7, "adv.generator_moved", [(CLIP, CLIP + "        [p.data.mul_(0.9) for p in generator.parameters()]\n")], "only the critic moves"),
    (7, "adv.critic_no_gradient", [("        critic_loss.backward()\n", "")], "backward()"),
    (7, "graph", [(RETURN, "return critic_loss, generator_loss.item()")], "graph"),
    (7, "graph", [(RETURN, "return critic_loss.item(), generator_loss")], "graph"),
    (7, "adv.returns", [(RETURN, "pass")], "two numbers"),
    (7, "signature", [("n_critic: int = 5,\n", "")], "n_critic=5"),
    # 8: style
    (8, "gram.not_divided", [(" / (c * h * w)", "")], "not divided"),
    (8, "gram.divided", [("(c * h * w)\n", "(h * w)\n")], "H * W"),
    (8, "gram.divided", [("(c * h * w)\n", "features.numel()\n")], "N * C * H * W"),
    (8, "gram.factor", [("(c * h * w)\n", "(3 * c * h * w)\n")], "0.333 times"),
    (8, "gram.batch", [("reshape(n, c, h * w)", "reshape(n * c, h * w)"), ("transpose(1, 2)", "T")], "mixed up"),
    (8, "gram.positions", [("rows @ rows.transpose(1, 2)", "rows.transpose(1, 2) @ rows")], "Positions"),
    (8, "gram.shape", [("return rows @ rows.transpose(1, 2) / (c * h * w)", "return rows")], "(N, C, C)"),
    (8, "gram.centred", [("reshape(n, c, h * w)", "reshape(n, c, h * w)\n    rows = rows - rows.mean(2, keepdim=True)")], "covariance"),
    (8, "gram.value", [("reshape(n, c, h * w)", "reshape(n, c, h * w).square()")], "wrong values"),
    (8, "style.content", [("gram_matrix(features) - gram_matrix(wanted)", "(features - wanted).flatten(2)")], "content"),
    (8, "style.content", [("gram_matrix(features) - gram_matrix(wanted)", "(features - wanted).flatten(2) ** 2")], "content"),
    (8, "style.mean", [(".square().sum(dim=(1, 2)).mean()", ".square().mean()")], "Frobenius"),
    (8, "style.batch_sum", [(".square().sum(dim=(1, 2)).mean()", ".square().sum()")], "mean"),
    (8, "style.layer_mean", [("stack(layers).sum()", "stack(layers).mean()")], "Sum them"),
    (8, "style.one_layer", [("stack(layers).sum()", "stack(layers)[-1]")], "one layer"),
    (8, "style.not_squared", [(".square().sum(dim=(1, 2)).mean()", ".norm(dim=(1, 2)).mean()")], "not squared"),
    (8, "style.absolute", [(".square()", ".abs()")], "squares"),
    (8, "style.value", [("stack(layers).sum()", "stack(layers).sum() * 3")], "should be"),
    (8, "style.no_gradient", [("stack(layers).sum()", "stack(layers).sum().item()")], "No gradient"),
    (8, "style.sizes", [("gram_matrix(wanted)", "gram_matrix(wanted) * wanted[0].numel() / features[0].numel()")], "other sizes"),
    # 9: what a layer keeps
    (9, "rec.network_moved", [("Adam([picture]", "Adam([picture, *network.parameters()]")], "[picture]"),
    (9, "rec.network_moved", [("Adam([picture]", "Adam(network.parameters()")], "network's weights"),
    (9, "rec.target_not_detached", [("with torch.no_grad()", "with torch.enable_grad()")], "keep their graph"),
    (9, "rec.target_not_detached", [("network(picture), wanted)", "network(picture), network(photo))")], "gradient also goes"),
    (9, "rec.begins_at_photo", [("torch.rand(photo.shape, requires_grad=True)", "photo.detach().clone().requires_grad_()")], "noise"),
    (9, "rec.never_moves", [("        optimizer.step()\n", "")], "never moves"),
    (9, "rec.no_gradient", [(", requires_grad=True", "")], "requires_grad=True"),
    (9, "rec.away", [("F.mse_loss(network", "-F.mse_loss(network")], "up in place of down"),
    (9, "rec.new_noise", [("        optimizer.zero_grad()", "        picture = torch.rand(photo.shape, requires_grad=True)\n        optimizer.zero_grad()")], "every turn"),
    (9, "rec.steps", [("range(steps)", "range(3)")], "3 pictures with steps=40"),
    (9, "rec.not_nearer", [("lr=learning_rate", "lr=1e-4")], "hardly nearer"),
    (9, "rec.not_nearer", [("optim.Adam", "optim.SGD")], "Adam"),
    (9, "rec.graph", [("picture.detach()", "picture * 1")], "detach()"),
    (9, "rec.shape", [("picture.detach()", "picture.detach()[0]")], "photo's"),
    (9, "rec.photo_moved", [("picture = torch.rand(photo.shape, requires_grad=True)", "photo.data.uniform_()\n    picture = photo")], "photo itself"),
    (9, "rec.network_unused", [("network(photo)", "photo"), ("network(picture)", "picture")], "never called"),
    (9, "returns", [("return picture.detach()", "pass")], "NoneType"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "key", "changes", "words"), MISTAKES, ids=[f"{row[0]} {row[1]} {row[3]}" for row in MISTAKES]
)
def test_it_is_named(number: int, key: str, changes: list[Change], words: str, answer: Callable[[str], Path]) -> None:
    source = find_chapter(number).solution()
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    with pytest.raises(Mistake) as told:
        check(number, answer(source))
    assert told.value.key == key, told.value.values
    for language in LANGUAGES:
        assert text(language, f"mistake.{key}", told.value.values)
    assert words in text("en", f"mistake.{key}", told.value.values)


def test_every_sentence_is_tried() -> None:
    """No mistake is without a test, but for those of files that do not run at all (test_broken_files)."""
    folder = Path(find_chapter.__code__.co_filename).parent / "checks"
    code = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    keys = {*re.findall(r'"((?:vgg|net|step|split|psnr|validate|critic|adv|gram|style|rec)\.\w+)"', code)}
    assert keys - {row[1] for row in MISTAKES} == set()
