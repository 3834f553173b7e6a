"""What the layers of a loss network see: pictures found again from features alone, and maps of where two differ.

The network itself is in ``features``, the optimisation of a picture in ``apply``; nothing is trained.
"""
