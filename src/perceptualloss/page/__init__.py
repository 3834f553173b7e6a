"""The page of ``perceptualloss serve``: pictures in a browser, on this machine.

``server`` starts it, ``app`` has its routes, ``guards`` what every request must pass. ``store`` keeps uploads and results
for a while, ``jobs`` does one after the other, ``tasks`` says what a browser may ask for and ``tools`` does it with ``apply``.
``texts`` are what the page says, ``static`` is what the browser runs, without a build step, ``browser`` what computes there.
Nothing is computed here that ``apply`` or ``studies`` could; no command prints here (that is ``cli/serve``).
"""
