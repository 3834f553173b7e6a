"""Loss networks of one's own: how they are trained, how well their distances order distortions, and a report of both.

``train`` chooses among four signals (``classification``, ``ordering``, ``distillation``); ``agreement`` and
``figures`` judge, ``report`` and ``plots`` draw. The shapes of the networks and what runs them in a loss are in
``features``.
"""
