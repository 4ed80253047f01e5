"""Drivers: each turns one kind of battery into readings and takes set-points."""
