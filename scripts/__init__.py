"""Commands for developers and for trying things out."""
