"""How much of a teacher's features is seen, against torchmetrics and answers known by construction."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.regression import R2Score

from perceptualloss.metrics.imitation import Imitation


def test_explained_variance_is_torchmetrics_over_all_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(2, 2, 5, 6, 7, generator=generator) for _ in range(3)]  # student and teacher
    imitation, r2 = Imitation(), R2Score(multioutput="variance_weighted")
    for student, teacher in batches:
        student = teacher + 0.5 * student  # noqa: PLW2901
        imitation.update({"a": student}, {"a": teacher})
        r2.update(student.movedim(1, -1).reshape(-1, 5), teacher.movedim(1, -1).reshape(-1, 5))
    assert imitation.compute()["a"].explained == pytest.approx(r2.compute().item(), abs=1e-5)


def test_equal_features_are_seen_whole_and_half_features_by_three_quarters() -> None:
    teacher = torch.randn(2, 3, 8, 8)
    teacher = teacher - teacher.mean((0, 2, 3), keepdim=True)
    imitation = Imitation()
    imitation.update({"same": teacher, "half": teacher / 2}, {"same": teacher, "half": teacher})
    layers = imitation.compute()
    assert (layers["same"].explained, layers["same"].gram_error) == (1, 0)
    assert layers["half"].explained == pytest.approx(0.75, abs=1e-5)
    assert layers["half"].gram_error == pytest.approx(0.75, abs=1e-5)
