"""Which pictures are closer to the targets, and whether the difference is more than noise.

``candidates`` are folders and networks, ``measuring`` measures them picture by picture, ``results`` and
``statistics`` say what that shows, ``report`` draws it. Nothing is trained; what a metric computes is in ``metrics``.
"""
