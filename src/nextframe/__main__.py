"""`python -m nextframe` is `nextframe`."""

from __future__ import annotations

import sys

from nextframe.cli import main

if __name__ == "__main__":
    sys.argv[0] = "nextframe"  # scores are kept with the command that made them
    sys.exit(main())
