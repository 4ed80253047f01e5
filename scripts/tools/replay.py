"""Judges the engine on the recorded data of a house: the entry of scripts/replay."""

import sys

from .light import engine_alone

if __name__ == "__main__":
    engine_alone()
    from .replay_command import main

    sys.exit(main())
