"""A second-life battery behind Battery-Emulator, on a real broker."""
