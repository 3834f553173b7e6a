"""The page of ``perceptualloss serve``: pictures in a browser, on this machine.

``server`` starts it, ``app`` has the routes of what is done with pictures, ``front`` those of what a browser loads, and
``guards`` is what every request passes. ``store`` keeps uploads and results for a while, ``jobs`` does one after the
other, ``tasks`` says what a browser may ask for, and ``tools`` does it with ``apply``. ``texts`` is what the page says,
``static`` what runs in the browser without a build step, ``browser`` what computes there.
Nothing is computed here that ``apply`` or ``studies`` could; no command prints here (that is ``cli/serve``).
"""
