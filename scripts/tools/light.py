"""Lets the engine be used where no Home Assistant is wanted."""

from pathlib import Path
import sys
from types import ModuleType

PACKAGE = "custom_components.leaf_to_home"
FOLDER = Path(__file__).resolve().parents[2] / "custom_components" / "leaf_to_home"


def engine_alone() -> None:
    """Make `custom_components.leaf_to_home.engine` importable without its parent.

    The parent package is the integration and loads Home Assistant, which takes seconds;
    an empty one stands in for it. Call it before the first import, in commands only.
    """
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE)
        package.__path__ = [str(FOLDER)]
        sys.modules[PACKAGE] = package
