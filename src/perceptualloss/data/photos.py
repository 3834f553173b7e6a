"""The photos that scikit-image ships, for training without a data set and without a download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from perceptualloss.errors import InputError, check_choice

TRAINING = (
    "astronaut.png",
    "camera.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)
VALIDATION = ("chelsea.png", "coffee.png")


def builtin_photos(split: Literal["training", "validation", "all"] = "all") -> list[Path]:
    """Return the built-in photos of one side of a fixed split, sorted.

    Training: an astronaut, a photographer, grass, gravel, galaxies, tissue, a motorcycle from two sides and a
    rocket (camera, grass and gravel are grey; they are there for their fine detail). Validation: a cat and a
    cup of coffee. The two views of the motorcycle are on the same side.

    Licences, as the documentation of ``skimage.data`` has them: public domain (astronaut, galaxies, rocket),
    CC0 (camera, cat, coffee, grass, gravel), no known restrictions (tissue); the motorcycle is from the
    Middlebury stereo data, whose authors ask to be cited (Scharstein et al., GCPR 2014).

    Raises:
        InputError: An unknown split, or a scikit-image without these files.

    >>> [path.name for path in builtin_photos("validation")]
    ['chelsea.png', 'coffee.png']
    """
    check_choice("split", split, ("training", "validation", "all"))
    names = {"training": TRAINING, "validation": VALIDATION, "all": TRAINING + VALIDATION}[split]
    spec = find_spec("skimage")  # finds the folder without importing the package
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else Path("skimage/data")
    files = [folder / name for name in sorted(names)]
    for file in files:
        if not file.is_file():
            raise InputError(
                f"scikit-image's photo {file}",
                "no such file",
                "Reinstall scikit-image (0.25 or later), or name a folder with your own photos.",
            )
    return files
