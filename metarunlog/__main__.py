"""`python -m metarunlog` is `mrl`."""

import sys

from metarunlog.cli import main

sys.exit(main())
