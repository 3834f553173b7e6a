"""How ``loss_effects.py`` draws: pictures beside each other, the brightness of frames, and what critics' losses are."""

from __future__ import annotations

from io import BytesIO

import torch
from matplotlib.figure import Figure
from PIL import Image

import loss_effects_made as made
import perceptualloss as p
from loss_effects_made import Made, Step
from perceptualloss.drawing.cells import lay_out, text_cell, to_picture
from perceptualloss.drawing.plots import LIGHT, dress
from perceptualloss.pictures.box import Box

COLUMN = 200


def draw(found: Made, small: bool) -> Image.Image:
    """Lay out before, what is asked, results and truth; of whole photos a detail."""
    titles = {"before": found.before, "what the loss asks to change": found.asked, **found.results}
    titles["style" if "from noise" in found.results else "truth"] = found.truth
    box = Box.at(0, 0, *found.before.shape[-2:]) if small else made.EYE
    heads = [text_cell([title], 14, COLUMN, bold=True) for title in titles]
    cells = [to_picture(box.cut(pixels)) for pixels in titles.values()]
    smooth = Image.Resampling.NEAREST
    return lay_out([heads, [cell.resize((COLUMN, COLUMN), smooth) for cell in cells]], COLUMN)


def clips(name: str) -> Image.Image:
    """Draw the brightness of a clip's frames before and after a loss alone."""
    flow = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1, 1).expand(1, 2, 9, 48, 48)
    steady, along = p.TemporalLoss(p.MSELoss()), p.WarpingLoss(p.MSELoss())
    losses: dict[str, dict[str, Step]] = {
        "TemporalLoss": {"after TemporalLoss": steady},
        "WarpingLoss": {"after WarpingLoss": lambda clip, _: along(clip, flow)},
        "VideoLoss": {"after VideoLoss": p.VideoLoss(p.MSELoss())},
    }
    return plot(made.brightness_after(losses[name]))


def games() -> Image.Image:
    """Draw what generator and critic minimise, by the score of a generated picture."""
    scores = torch.linspace(-3, 3, 61)
    figure = Figure(figsize=(8, 3), dpi=110, layout="constrained")
    for axes, who in zip(figure.subplots(1, 2), ("generator", "critic"), strict=True):
        for number, kind in enumerate(("wasserstein", "hinge", "non_saturating", "least_squares")):
            game = p.GANLoss(kind)  # type: ignore[arg-type]
            real = torch.ones(1, 1)
            values = [
                game.generator_loss(score.view(1, 1))
                if who == "generator"
                else game.critic_loss(real, score.view(1, 1))
                for score in scores
            ]
            line = ("-", "--", "-.", ":")[number]
            axes.plot(scores, torch.stack(values), line, label=kind, color=LIGHT.colours[number])
        axes.set_xlabel("score of a generated picture")
        axes.set_title(f"{who}'s loss" + (" (real picture: score 1)" if who == "critic" else ""), fontsize=10)
        dress(axes, LIGHT)
    figure.axes[0].legend(frameon=False, fontsize=9)
    return drawn(figure)


def plot(curves: dict[str, list[float]]) -> Image.Image:
    """Draw the brightness of frames."""
    figure = Figure(figsize=(6.4, 3), dpi=110, layout="constrained")
    axes = figure.subplots()
    for number, (name, values) in enumerate(curves.items()):
        frames = range(1, len(values) + 1)
        axes.plot(
            frames, values, ("-", "--", "-")[number], label=name, color=LIGHT.colours[number], marker="os^"[number]
        )
    axes.set_xlabel("frame")
    axes.set_ylabel("mean brightness")
    axes.legend(frameon=False, fontsize=9)
    dress(axes, LIGHT)
    return drawn(figure)


def drawn(figure: Figure) -> Image.Image:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")
