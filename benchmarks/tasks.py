"""Planning tasks of any size, made up, for timing."""

from dataclasses import replace

import numpy as np

from custom_components.leaf_to_home.engine.forecast import BINS
from custom_components.leaf_to_home.engine.plan import Floats, Stretch, Task

from .scenarios import unit

_QUARTER_S = 900.0
_HOUR_S = 3600.0


def example_tasks(*, hours: float, units: int, futures: int = 8) -> dict[str, Task]:
    """Return tasks over `hours` at 15 minutes and a day of hours with `futures`.

    One unit is a LEAF, the second one a portable, further ones are LEAFs again.
    """
    begin_s = 1_700_000_000.0 // _HOUR_S * _HOUR_S
    near = _stretch(begin_s, hours, _QUARTER_S, 1)
    far = _stretch(begin_s + hours * _HOUR_S, 24.0, _HOUR_S, futures)
    leaf = Task(
        spec=unit("leaf-40"),
        near=near,
        far=far,
        stored_kwh=18.0,
        running=False,
        reserve_percent=30.0,
        max_soc_percent=95.0,
        charge_w=6000.0,
        discharge_w=6000.0,
        aim_import_w=60.0,
        aim_export_w=30.0,
    )
    portable = unit("portable")
    small = replace(
        leaf,
        spec=portable,
        stored_kwh=0.3,
        charge_w=portable.max_charge_w,
        discharge_w=portable.max_discharge_w,
    )
    return {f"unit{i}": small if i == 1 else leaf for i in range(units)}


def _stretch(begin_s: float, hours: float, step_s: float, futures: int) -> Stretch:
    count = round(hours * _HOUR_S / step_s)
    starts_s = np.asarray(begin_s + step_s * np.arange(count + 1), dtype=np.float64)
    hour = starts_s[:-1] / _HOUR_S % 24.0
    price = 0.25 + 0.1 * np.cos((hour - 19.0) / 24.0 * 2.0 * np.pi)
    levels = np.linspace(-0.03, 0.03, futures)[:, None] if futures > 1 else 0.0
    imports: Floats = price[None] + levels
    load = 500.0 + 400.0 * np.exp(-((hour - 20.0) ** 2) / 8.0)
    sun = 3000.0 * np.maximum(0.0, np.sin((hour - 6.0) / 12.0 * np.pi))
    factors = np.array([0.4, 0.6, 0.9, 1.2, 1.7, 3.0])
    draw = load[:, None] * factors - sun[:, None] * factors[::-1]
    return Stretch(
        starts_s=starts_s,
        import_price=imports,
        export_price=np.full_like(imports, 0.06),
        draw_w=draw,
        weights=np.array(BINS),
    )
