"""Figures and the data that they are measured on."""
