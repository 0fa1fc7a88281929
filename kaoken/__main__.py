"""`python -m kaoken`, and the console script `kaoken`."""

from __future__ import annotations

import sys

from kaoken.cli import main

if __name__ == "__main__":
    sys.exit(main())
