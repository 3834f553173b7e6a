"""Image transformation with perceptual losses.

Losses, loss networks, transformation networks and measures, all on one contract: an image batch is RGB,
(N, 3, H, W), floating point, in [0, 1]. Training and comparison are in ``perceptualloss.training`` and
``perceptualloss.studies``, and on the command line; importing this package loads neither.

The public names stand in ``__init__.pyi``. Each loads its module, and PyTorch, when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
