"""Photos in folders, what is done to them, and the training samples made of them.

Here live crops and pairs as Lightning's data modules hand them out, degradations and damages (what makes the input of a
photo), labelled crops for loss networks, and distortions of known strength. Sample n is a function of (seed, n) alone.
What trains with the samples is in ``training``; reading and writing single pictures is in ``pictures``.
"""
