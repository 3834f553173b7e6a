"""Loss networks: pictures in, features of named layers out, frozen for good.

``base`` is the one contract; it looks through a ``chain`` of VGG's kind or through any ``backbone``, by ``taps`` on its
modules; ``network`` has them by name, ``libraries`` torchvision's and timm's. ``weights`` and ``weight_files`` say
where weights come from and read them without running code; ``view`` what a loss shows. No loss, and no training, lives here.
"""
