"""A second-life battery behind Battery-Emulator, which is heard over MQTT.

What is heard here is only half of a unit: the power is set at the inverter.
"""

from .driver import async_create

__all__ = ["async_create"]
