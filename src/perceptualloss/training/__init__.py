"""Training: what a step minimises, and the run around it.

Tasks say what a step does (``supervised``, ``adversarial`` with its ``game``, ``style``); ``run`` is the trainer
around any task, with its callbacks and checkpoints; a ``recipe`` is a training as data, which ``train`` builds and
runs, and ``recipes/`` has those that ship. Samples come from ``data``, losses from ``losses``; nothing here draws a
report or knows the command line.
"""
