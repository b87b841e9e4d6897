"""`python -m vogate_client`."""

import sys

from .commands import main

sys.exit(main())
