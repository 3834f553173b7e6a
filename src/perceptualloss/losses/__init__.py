"""Losses: two batches of pictures in, one differentiable number out.

One loss a file, each a pure function of one value a picture and a subclass of :class:`Loss` (``base``); those that
look through a network are ``network_loss``'s, which runs it once for all of a sum. Losses by name, the only list of
them, are in ``registry``, the settings of papers in ``presets``, and what recipes write in ``settings``. Networks that
losses look through live in ``features``; what only measures, in ``metrics``.
"""
