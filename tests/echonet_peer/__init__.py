"""An independent device on a network of its own."""
