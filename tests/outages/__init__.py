"""Outages, as Home Assistant sees them."""
