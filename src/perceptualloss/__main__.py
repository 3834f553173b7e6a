"""``python -m perceptualloss`` is the command line, too, where its program is not on the path."""

from __future__ import annotations

import sys

from perceptualloss.cli import main

if __name__ == "__main__":
    sys.exit(main())
