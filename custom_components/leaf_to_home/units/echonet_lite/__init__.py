"""LEAF-to-Home hardware over ECHONET Lite: chargers 0x027E and batteries 0x027D.

Nothing of the protocol leaves this package: its form talks to `discovery` and `hub`,
the home to the unit.
"""

from .driver import async_create

__all__ = ["async_create"]
