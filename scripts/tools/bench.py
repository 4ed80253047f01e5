"""Measures what README and docs claim in figures: the entry of scripts/bench."""

import sys

from .light import engine_alone

if __name__ == "__main__":
    engine_alone()
    from .bench_command import main

    sys.exit(main())
