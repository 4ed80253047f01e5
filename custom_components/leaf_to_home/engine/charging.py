"""What charging at full command really gives, learnt from what it gave."""

from .control import settled
from .model import UnitInputs, UnitStatus
from .policy import TAPER_PERCENT, charge_ceiling_w
from .soc import soc_percent
from .state import UnitState


def learn_charging(unit: UnitState, known: UnitInputs, now_s: float) -> None:
    """Remember what charging at full command really gives."""
    if (
        unit.power_w is not None
        and unit.power_w < 0.0
        and unit.command_w is not None
        and unit.command_w <= -0.9 * charge_ceiling_w(known, unit.settings)
        and unit.least_w == unit.most_w
        and settled(unit, known.capabilities, now_s, factor=4.0)
        and known.reading is not None
        and known.reading.time_s >= (unit.settled_s or 0.0)
        and known.reading.status is UnitStatus.CHARGING
        and (soc_percent(unit, known.spec) or 0.0) < TAPER_PERCENT
    ):
        before = unit.charging_w if unit.charging_w is not None else -unit.power_w
        unit.charging_w = 0.95 * before - 0.05 * unit.power_w
