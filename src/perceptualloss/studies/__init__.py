"""Studies: questions asked of losses, networks and layers, each answered by a folder with figures and a page.

A study is a room of its own: ``compare`` losses by training with each, ``evaluate`` pictures against targets, what
``layers`` keep, and how a ``loss_network`` is trained and judged. No study imports another (import-linter holds
that): what two of them share goes down, to ``drawing``, ``metrics``, ``data`` or ``pictures``.
"""
