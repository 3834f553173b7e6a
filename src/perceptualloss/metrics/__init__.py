"""How close two pictures are, one value a picture: functions, the one registry of their names, and classes.

A metric is a function in a file of its own, entered once in ``builtin``; ``registry`` finds it by name, ``protocol``
says what of a picture it compares, ``report`` what trainings and comparisons measure, ``classes`` are those of
torchmetrics. No loss to train by lives here, and nothing that reads files or draws tables: that is ``studies``.

The public names stand in ``__init__.pyi``; each loads its module, and torchmetrics, when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
