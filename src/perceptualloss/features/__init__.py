"""Loss networks: pictures in, features of named layers out, frozen for good.

``base`` is the one contract; it looks through a ``chain`` of VGG's kind or through any ``backbone``, by ``taps`` on the
modules; ``network`` has them by name, ``libraries`` those of torchvision and timm. ``weights`` and ``weight_files`` say
where weights come from, and read them without running code; ``view`` what a loss shows. No loss and no training.
"""
