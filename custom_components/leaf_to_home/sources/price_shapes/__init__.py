"""The shapes in which integrations give prices, one parser for each."""
