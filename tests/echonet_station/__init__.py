"""A real Home Assistant and a station, each in a process of its own."""
