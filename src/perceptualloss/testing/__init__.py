"""Losses of one's own put to the laws that the package's obey: ``check_loss``.

A law is a function: those of values and gradients in ``numbers``, those of what a loss does to pictures, masks and its
own state in ``conduct``. ``subject`` calls the loss, whatever kind of callable it is, and makes the pictures. Needs no
pytest, and no trainer. What measures how good a loss is does not belong here: that is ``studies``.
"""

from perceptualloss.testing.check import LossReport, check_loss

__all__ = ["LossReport", "check_loss"]
