"""Transformation networks: from pictures to pictures, and the critics that judge them.

Here live their classes (all :class:`TransformationNetwork`), saving and loading, the trained ones that ship with their
cards (``trained/``), and the bounds for what is built from a file. Networks that losses look through are in
``features``; how a network is run over a large picture is in ``apply``, and how it is trained in ``training``.
"""
