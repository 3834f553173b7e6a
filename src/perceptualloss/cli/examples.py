"""What ``--help`` of each command ends with: lines to begin with, which tests parse."""

from __future__ import annotations

EXAMPLES = {
    "compare": (
        "perceptualloss compare --scale 4",
        "perceptualloss compare --losses mse perceptual --photos my-photos",
        "perceptualloss compare --runs runs/one runs/other",
    ),
    "train": (
        "perceptualloss train upscale4x-perceptual --photos my-photos",
        "perceptualloss train my-recipe.yaml --steps 20000 --name second",
        "perceptualloss train --resume runs/second",
    ),
    "train-loss-network": ("perceptualloss train-loss-network loss-network-compact --teacher vgg16.pth",),
    "pack": ("perceptualloss pack my-photos my-shards --shorter-side 512",),
    "recipes": ("perceptualloss recipes", "perceptualloss recipes upscale4x-perceptual > my-recipe.yaml"),
    "evaluate": (
        "perceptualloss evaluate enlarged originals --scale 4",
        "perceptualloss evaluate --network subpixel4x-mse bicubic --targets originals",
    ),
    "upscale": (
        "perceptualloss upscale photo.jpg -o large.png",
        "perceptualloss upscale my-photos -o large --scale 2 --kind perceptual",
        "perceptualloss upscale clip.mp4 -o large.mp4 --preview middle",
    ),
    "restore": (
        "perceptualloss restore photo.jpg --of noise -o clean.png",
        "perceptualloss restore my-photos --of jpeg noise -o clean",
    ),
    "stylize": (
        "perceptualloss stylize photo.jpg --style wave -o painted.png",
        "perceptualloss stylize photo.jpg --method optimize --style painting.jpg",
    ),
    "transform": ("perceptualloss transform photo.jpg --network mine.safetensors -o result.png",),
    "serve": ("perceptualloss serve --open",),
    "export": ("perceptualloss export subpixel2x-mse -o upscaler.onnx",),
    "share": (
        "perceptualloss share runs/train anna/mine --licence apache-2.0 --out card",
        "perceptualloss share runs/train anna/mine --licence apache-2.0",
    ),
    "doctor": ("perceptualloss doctor",),
    "reconstruct": ("perceptualloss reconstruct photo.jpg --layers relu1_1 relu3_3",),
    "course": ("perceptualloss course start 1", "perceptualloss course check 1 perceptual.py"),
    "loss-map": ("perceptualloss loss-map output.png target.png -o map.png",),
}


def examples_of(command: str) -> str:
    """Return the examples of a command, a line each, under a heading.

    >>> examples_of("doctor").splitlines()
    ['examples:', '  perceptualloss doctor']
    """
    return "\n".join(["examples:", *(f"  {line}" for line in EXAMPLES[command])])
