"""Wallbox Quasar 1 over Modbus TCP.

Nothing of the protocol leaves this package: its form talks to `probe`, the home to the
unit.
"""

from .driver import async_create
from .handing_back import async_give_back

__all__ = ["async_create", "async_give_back"]
