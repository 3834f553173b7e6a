"""One file for each kind of exercise: what an answer does is looked at up to the first mistake, causes first.

Each opens no file and prints nothing: it gets the :class:`Answer`, calls what is in it with small tensors, and raises
the :class:`Mistake`. Only what an answer computes counts, so that another spelling of a right answer passes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from perceptualloss.course.answer import Answer
from perceptualloss.course.chapters import find_chapter
from perceptualloss.course.checks.adversarial import check_adversarial
from perceptualloss.course.checks.comparison import check_comparison
from perceptualloss.course.checks.perceptual import check_perceptual
from perceptualloss.course.checks.reconstruct import check_reconstruct
from perceptualloss.course.checks.style import check_style
from perceptualloss.course.checks.train_step import check_train_step
from perceptualloss.course.checks.upscaler import check_generator, check_upscale2x, check_upscale4x
from perceptualloss.course.stand_in import StandIns, stand_ins

_CHECKS: dict[int, Callable[[Answer, StandIns], None]] = {
    1: check_perceptual,
    2: check_upscale2x,
    3: check_train_step,
    4: check_comparison,
    5: check_upscale4x,
    6: check_generator,
    7: check_adversarial,
    8: check_style,
    9: check_reconstruct,
}


def check(number: int, file: Path) -> None:
    """Run a learner's file and look at what it does; it is right if nothing is raised.

    Runs the code in the file, on the CPU and without a download: see :func:`stand_ins`.

    Args:
        number: of the chapter.
        file: with the answer.

    Raises:
        InputError: for an unknown chapter, or what is no Python file.
        Mistake: the first mistake; see the texts "mistake. ...".
    """
    chapter = find_chapter(number)
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), stand_ins() as told:
        torch.manual_seed(0)
        _CHECKS[number](Answer(file, chapter.calls), told)
