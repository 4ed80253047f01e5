"""Modules that are put on the path of the demo's Home Assistant."""
