"""What is installed, what this machine is good for, and what its user should do.

``findings`` has what a finding is and how a probe is guarded; ``software``, ``machine`` and ``places`` have the probes,
one function each; ``diagnosis`` runs them all. Importing these loads nothing, not PyTorch either, because a doctor is
called where something does not load.
"""
