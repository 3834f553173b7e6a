from __future__ import annotations

import torch

from perceptualloss.pictures.picture import fill_hidden


def test_hidden_places_get_colours_of_what_is_visible_around_them() -> None:
    colours, alpha = torch.zeros(1, 3, 21, 33), torch.zeros(1, 1, 21, 33)
    red = torch.tensor([0.8, 0.1, 0.1]).view(3, 1, 1)
    blue = torch.tensor([0.1, 0.2, 0.9]).view(3, 1, 1)
    colours[0, :, 5:15, 2:8], colours[0, :, 5:15, 24:31] = red, blue
    alpha[..., 5:15, 2:8], alpha[..., 5:15, 24:31] = 0.5, 1.0
    filled = fill_hidden(colours, alpha)
    assert torch.equal(filled[:, :, 5:15, 2:8], colours[:, :, 5:15, 2:8])
    torch.testing.assert_close(filled[0, :, 4:16, 1:9], red.expand(3, 12, 8))
    torch.testing.assert_close(filled[0, :, 5:15, 23:31], blue.expand(3, 10, 8))
    assert (filled.sum(dim=1) > 0.9).all()  # black is nowhere left


def test_nothing_visible_or_nothing_hidden_changes_nothing() -> None:
    colours = torch.rand(2, 3, 5, 4)
    for alpha in (torch.zeros(2, 1, 5, 4), torch.full((2, 1, 5, 4), 0.01)):
        assert torch.equal(fill_hidden(colours, alpha), colours)
    mixed = torch.stack([torch.zeros(1, 5, 4), torch.ones(1, 5, 4)])
    assert torch.equal(fill_hidden(colours, mixed)[1], colours[1])
