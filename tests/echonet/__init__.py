"""ECHONET Lite: the driver against peers of our own making, over real UDP."""
