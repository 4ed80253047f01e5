"""What the commands beside this folder run."""
