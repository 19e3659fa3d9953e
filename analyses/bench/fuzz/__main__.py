"""`python -m mechprobe.analyses.bench.fuzz`."""

import sys

from mechprobe.analyses.bench.fuzz.run import main

if __name__ == "__main__":
    sys.exit(main())
