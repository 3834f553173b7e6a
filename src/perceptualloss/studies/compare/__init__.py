"""Which loss for this job: the same network trained once with each, measured and shown side by side.

``compare`` runs the trainings, ``results`` is what they gave, the other files draw it. How one network is trained is
in ``training``; pictures that are finished already are measured by ``studies/evaluate``.
"""
