"""What each loss does when it is alone: pictures and figures for docs/losses/, in about 8 minutes on one idle core.

    python benchmarks/loss_effects.py [--only MSELoss ...] [--costs | --no-costs] [--weights VGG16.safetensors]

For a loss of pictures the same small x4 network is trained with it alone: the same first weights, photos and 150
steps. Before its training the network enlarges bilinearly. Style, colour and total variation change a picture
instead, losses of clips a clip. It writes docs/images/losses/NAME.jpg, the figures into figures.json beside them, and
from there the tables of docs/losses.md and docs/losses/. Without --weights (a file for VGG-16) the embedded network
stands in for VGG-16.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import loss_effects_cost
import loss_effects_made as made
import perceptualloss as p
from filling import PLACE, ROOT, Tables, fill, markdown
from loss_effects_drawn import clips, draw, games
from loss_effects_made import Made, Step
from perceptualloss.errors import check_choice
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.ssim import ssim
from perceptualloss.metrics.st_lpips import st_lpips

OUT = ROOT / "docs" / "images" / "losses"
QUALITY = 82
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
FOUR = dict.fromkeys(LAYERS, 1.0)


def features(*layers: str, distance: Any = "mse") -> p.Loss:
    return p.FeatureReconstructionLoss("compact", dict.fromkeys(layers, 1.0), distance)


def styled(losses: dict[str, Step]) -> Made:
    """Change the cat, and once noise, until a style loss alone is low."""
    found = made.optimized(losses, made.part(), made.texture())
    flat = torch.full_like(made.part(), 0.5)
    grown = made.optimized({"from noise": next(iter(losses.values()))}, made.noisy(flat), made.texture())
    return Made(found.before, found.asked, found.results | grown.results, found.truth)


def lattice() -> Made:
    """Train with features alone, and with the lattice loss beside them, which says nothing of what has no raster."""
    seen, ripples = features("relu2_2", distance="unit"), p.LatticeLoss()
    found = made.upscaled({"features alone": seen, "features + 10 lattice": seen + 10 * ripples})
    asked = made.asked(ripples, found.results["features alone"], found.truth)
    return Made(found.before, asked, found.results, found.truth)


def style(*weights: float) -> dict[str, Step]:
    """Return a style loss alone, and with the cat's content beside it."""
    alone = p.PerceptualLoss("compact", None, style_layers=FOUR, style_distance="relative", style_scales=2)
    content = features("relu3_3", distance="relative")
    both = [lambda x, y, w=w: alone(x, y) + w * content(x, made.part()) for w in weights]
    return {"style alone": alone, **{f"style + {w:g} content": loss for w, loss in zip(weights, both, strict=True)}}


def cases(weights: Path | None) -> dict[str, Callable[[], Made]]:
    """Return what makes each page's pictures."""
    up, near, denoise = made.upscaled, made.optimized, made.noisy(made.part())
    scales = p.MSSSIMLoss(weights=(0.3, 0.3, 0.4))
    stand_in = p.FeatureReconstructionLoss("compact", {"relu3_3": 1.0}, "l1", resize=(224, 224))
    course = p.VGG16PerceptualLoss(weights=weights) if weights else stand_in
    learned = p.LPIPS("vgg", weights=weights) if weights else features(*LAYERS, distance="unit")
    total = p.TotalVariationLoss()
    wasserstein = p.SlicedWassersteinLoss("compact", FOUR).eval()  # the same directions at every call
    seen = features("relu2_2", distance="unit")
    mixed: dict[str, p.Loss] = {f"L1 + {w:g} x features": p.L1Loss() + w * seen for w in (0.05, 0.5, 5)}
    parts: dict[str, p.Loss] = {"l1": p.L1Loss(), "features": seen}
    shared: dict[str, p.Loss] = {
        f"features' share {share:g}": p.BalancedLoss(parts, {"l1": 1.0, "features": share}, average=0.9)
        for share in (0.2, 5)
    }
    content = {"content + 5 style": p.PerceptualLoss("compact", ["relu2_2"], style_layers=dict.fromkeys(LAYERS, 5.0))}
    return {
        "MSELoss": lambda: up({"MSE": p.MSELoss()}),
        "L1Loss": lambda: up({"L1": p.L1Loss()}),
        "CharbonnierLoss": lambda: up({"Charbonnier": p.CharbonnierLoss()}),
        "SSIMLoss": lambda: up({"SSIM": p.SSIMLoss(), "SSIM + L1": p.SSIMLoss() + p.L1Loss()}),
        "MSSSIMLoss": lambda: up({"MS-SSIM": scales, "0.84 MS-SSIM + 0.16 L1": 0.84 * scales + 0.16 * p.L1Loss()}),
        "EdgeLoss": lambda: up({"hard mask": p.EdgeLoss(), "soft mask": p.EdgeLoss(mask="soft")}),
        "LatticeLoss": lattice,
        "AngularColorLoss": lambda: near({"angle": p.AngularColorLoss()}, made.tinted(made.part()), made.part()),
        "BlurredColorLoss": lambda: near({"blurred": p.BlurredColorLoss()}, made.tinted(made.part()), made.part()),
        "TotalVariationLoss": lambda: near(
            {
                "total variation alone": lambda x, _: total(x),
                "0.1 x it + squared error to the noisy picture": lambda x, _: (
                    0.1 * total(x) + (x - denoise).square().mean()
                ),
            },
            denoise,
            made.part(),
        ),
        "FeatureReconstructionLoss": lambda: up({layer: features(layer) for layer in LAYERS}),
        "VGG16PerceptualLoss": lambda: up({"VGG-16, relu3_3" if weights else "compact, relu3_3, 224 x 224": course}),
        "LPIPS": lambda: up({"LPIPS" if weights else "compact, four layers": learned}),
        "PerceptualLoss": lambda: up({"preset perceptual": p.build_loss("perceptual"), **content}),
        "WeightedLoss": lambda: up(mixed),
        "BalancedLoss": lambda: up(shared),
        "GANLoss": lambda: made.against_a_critic(p.L1Loss()),
        "StyleReconstructionLoss": lambda: styled(style(0.1)),
        "SlicedWassersteinLoss": lambda: styled({"Wasserstein alone": wasserstein}),
    }


def figures(picture: Tensor, truth: Tensor) -> dict[str, float]:
    shown = picture.clamp(0, 1)
    return {
        "psnr": psnr(shown, truth).item(),
        "ssim": ssim(shown, truth).item(),
        "st_lpips": st_lpips(shown, truth).item(),
    }


def tables(file: Path = OUT / "figures.json") -> Tables:
    """Return the tables of the pages, from the file of figures; without one none."""
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    effects, costs = found.get("effects", {}), found.get("costs", {})
    made_by: dict[str, Callable[[], str]] = {}
    for name, rows in effects.items():
        made_by[f"effect-{name}"] = partial(effect, rows)
    for name, rows in costs.items():
        made_by[f"cost-{name}"] = partial(cost, rows)
    made_by["loss-costs"] = partial(cost, [row for rows in costs.values() for row in rows])
    return made_by


COST = ["2 x 3 x 256 x 256, forward and backward", "times L1", "times `VGG16PerceptualLoss`", "memory kept (MiB)"]


def cost(rows: list[list[Any]]) -> str:
    """Return a table of costs."""
    return markdown(COST, [cost_row(row) for row in rows])


def cost_row(row: list[Any]) -> list[str]:
    code, _, to_l1, to_vgg, memory = row
    return [code, f"{to_l1:.{1 if to_l1 < 10 else 0}f}", f"{to_vgg:.{3 if to_vgg < 0.1 else 2}f}", f"{memory:.1f}"]


def effect(rows: dict[str, dict[str, float]]) -> str:
    """Return the table of a page: what there was before, and how it changed."""
    before = rows["before"]
    lines = []
    for name, row in rows.items():
        cells = [f"{row['psnr']:.2f}", f"{row['ssim']:.3f}", f"{row['st_lpips']:.3f}"]
        if name != "before":
            changes = [row[key] - before[key] for key in ("psnr", "ssim", "st_lpips")]
            signed = [f"{changes[0]:+.2f}", f"{changes[1]:+.3f}", f"{changes[2]:+.3f}"]
            cells = [f"{cell} ({change})" for cell, change in zip(cells, signed, strict=True)]
        lines.append([name, *cells])
    return markdown(["", "PSNR (dB) ↑", "SSIM ↑", "ST-LPIPS ↓"], lines)


def documents() -> list[Path]:
    return [ROOT / "docs" / "losses.md", *sorted((ROOT / "docs" / "losses").glob("*.md"))]


def save(picture: Image.Image, name: str) -> None:
    """Write a picture of less than 60 KB."""
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / f"{name}.jpg"
    for quality in (QUALITY, 70, 58, 46):
        picture.save(file, quality=quality, optimize=True)
        if file.stat().st_size < 60_000:
            break
    print(f"Wrote {file.relative_to(ROOT)}", flush=True)


def note(**figures: Any) -> None:
    """Put figures into the file of figures."""
    file = OUT / "figures.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"effects": {}, "costs": {}}
    for key, value in figures.items():
        known[key] |= value
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def make(name: str, case: Callable[[], Made]) -> None:
    """Make a page's picture and note its figures."""
    found = case()
    small = found.before.shape[-1] == made.SMALL.width
    save(draw(found, small), name)
    if "from noise" not in found.results:  # there is no truth to a style
        pictures = {"before": found.before, **found.results}
        note(effects={name: {title: figures(picture, found.truth) for title, picture in pictures.items()}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only the pictures of these pages")
    parser.add_argument("--costs", action=argparse.BooleanOptionalAction, help="only, or without, the table of costs")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of VGG-16, for the losses that are VGG-16's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    jobs: dict[str, Callable[[], object]] = {}
    if not options.costs:
        jobs |= {name: partial(make, name, case) for name, case in cases(options.weights).items()}
        jobs |= {name: partial(as_picture, clips, name) for name in ("TemporalLoss", "WarpingLoss", "VideoLoss")}
        jobs["GANLoss-curves"] = lambda: save(games(), "GANLoss-curves")
    for name in options.only or jobs:
        jobs[check_choice("page", name, jobs)]()
    if options.costs or (options.costs is None and not options.only):
        note(costs=loss_effects_cost.costs())
    known = tables()
    waiting = {name for file in documents() for _, name, _ in PLACE.findall(file.read_text("utf-8"))} - set(known)
    for file in fill(documents(), known, check=False, leave=waiting):
        print(f"filled: {file.relative_to(ROOT)}")


def as_picture(draws: Callable[[str], Image.Image], name: str) -> None:
    save(draws(name), name)


if __name__ == "__main__":
    main()
