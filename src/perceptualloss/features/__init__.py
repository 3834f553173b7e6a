"""Loss networks: frozen networks that turn pictures into named features.

Here live their layers, their weights (embedded ones, files, downloads) and how a loss shows its pictures to one
(size, random change). They are never trained here: that is a study (``studies/loss_network``). What a loss makes of
features is in ``losses``; networks that make pictures are in ``networks``.
"""
