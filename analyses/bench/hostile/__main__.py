"""`python -m mechprobe.analyses.bench.hostile`."""

import sys

from mechprobe.analyses.bench.hostile.run import main

if __name__ == "__main__":
    sys.exit(main())
