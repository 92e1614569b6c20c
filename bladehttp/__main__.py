"""Run the command line: ``python -m bladehttp``."""

import sys

from bladehttp._cli import main

if __name__ == "__main__":
    sys.exit(main())
