"""Where the home's own measurements come from."""
