"""Stands in for a voice library without wheels: nobody speaks to the demo."""


class AudioProcessor:
    """Is imported by Home Assistant's list of actions, and never used."""
