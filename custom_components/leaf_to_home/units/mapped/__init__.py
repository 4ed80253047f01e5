"""A signed power, carried to the entities of another integration."""

from .setpoint import MappedSetpoint

__all__ = ["MappedSetpoint"]
