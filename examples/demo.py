"""What `make run` runs: the same as ``bladehttp demo``.

A server on a free port, real requests to it, and a table of what went over. It ends with 0 if
every answer was the expected one. What it does is in bladehttp/_cli/demo.py.
"""

import sys

from bladehttp._cli import main

sys.exit(main(["demo"]))
