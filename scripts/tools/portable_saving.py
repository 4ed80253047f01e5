"""What a portable unit on a plug saves: the real engine, day after day, and the bill.

    .venv/bin/python -m scripts.tools.portable_saving [--days N] [--load W ...]

Three lines over the same days: the appliances at the wall, without any unit; the unit
with its input always on; and the unit as the planner switches it.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
import sys

import yaml

from .light import FOLDER, engine_alone

engine_alone()

# ruff: noqa: E402 the engine is loaded without Home Assistant only from here on
from custom_components.leaf_to_home.engine.formats import parse_unit
from custom_components.leaf_to_home.engine.metered_model import (
    Facts,
    PassThrough,
    running_spec,
)
from custom_components.leaf_to_home.engine.metered_plant import MeteredPlant
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    HomeMode,
    Inputs,
    IslandingStart,
    Sample,
    Site,
    UnitInputs,
)
from custom_components.leaf_to_home.engine.plan import Plan
from custom_components.leaf_to_home.engine.planning import OwnPast, Past, Planner
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.tariff import Tariff, parse_tariff

# Monday, 2026-11-23 00:00 UTC.
START_S = 1_795_392_000.0
TICK_S = 60.0
PLAN_S = 900.0
HOUSE_W = 350.0
UNIT = "portable"
# Cheap at night, dear in the evening, per kWh.
PRICES = {"bands": [(0.18, "23:00", "07:00"), (0.42, "17:00", "21:00"), (0.30, "", "")]}


@dataclass(frozen=True, kw_only=True)
class Result:
    """One load: money and energy of a year, at the pace of the days that were run."""

    load_w: float
    at_the_wall: float
    always_on: float
    shifted: float
    wear: float
    given_kwh: float
    lowest_percent: float
    switches: float


def tariff() -> Tariff:
    """Return the bands of the comparison."""
    bands = [
        {"price": price, **({"from": begin, "to": end} if begin else {})}
        for price, begin, end in PRICES["bands"]
    ]
    return parse_tariff(
        {"currency": "EUR", "timezone": "UTC", "import": {"bands": bands}}
    )


def facts() -> Facts:
    """Return the LEAF modules' unit with a bypass that bears the appliances."""
    text = (FOLDER / "presets" / "portable.yaml").read_text(encoding="utf-8")
    spec = parse_unit(yaml.safe_load(text), "portable")
    return Facts(
        unit=spec, pass_through=PassThrough.BYPASS, max_input_w=300.0, metered=True
    )


def run(load_w: float, days: int) -> Result:
    """Run the days with a load behind the unit."""
    site = Site(tariff=tariff())
    known = facts()
    wall = sum(
        _price(site, START_S + at_s) * load_w * TICK_S / 3.6e6
        for at_s in range(0, days * 86400, int(TICK_S))
    )
    always, _, _, _ = _live(known, site, load_w, days, switched=False)
    shifted, given_kwh, lowest, switches = _live(
        known, site, load_w, days, switched=True
    )
    year = 365.0 / days
    return Result(
        load_w=load_w,
        at_the_wall=wall * year,
        always_on=always * year,
        shifted=shifted * year,
        wear=given_kwh * known.unit.wear_per_kwh * year,
        given_kwh=given_kwh * year,
        lowest_percent=lowest,
        switches=switches / days,
    )


def _live(
    known: Facts, site: Site, load_w: float, days: int, *, switched: bool
) -> tuple[float, float, float, int]:
    """Return the bill, what the battery gave, its lowest charge, and the switches."""
    spec = known.unit
    full_kwh = spec.capacity_kwh
    plant = MeteredPlant(
        known, time_s=START_S, load_w=load_w, stored_kwh=full_kwh, on=True
    )
    state = HomeState(
        settings=HomeSettings(mode=HomeMode.AUTOMATIC),
        units={UNIT: UnitState(settings=first_settings(spec))},
    )
    past, planner, plans = Past(), Planner(), dict[str, Plan]()
    able = Capabilities(
        set_power=False,
        switched=True,
        feeds_through=True,
        islanding=IslandingStart.NEVER,
    )
    bill, lowest, switches = 0.0, 100.0, 0
    for _ in range(round(days * 86400 / TICK_S)):
        now_s = plant.time_s
        if switched:
            grid_w = HOUSE_W + load_w - plant.power_w
            inputs = Inputs(
                site=site,
                units={
                    UNIT: UnitInputs(
                        spec=running_spec(known),
                        capabilities=able,
                        reading=plant.reading(max_age_s=3.0 * TICK_S),
                    )
                },
                grid=Sample(value=grid_w, time_s=now_s, max_age_s=3.0 * TICK_S),
                interval_s=TICK_S,
            )
            if now_s % PLAN_S == 0.0 and state.time_s is not None:
                draws = OwnPast(history=past.draw)
                plans = planner.plan(state, inputs, past, draws, now_s)
            plan = plans.get(UNIT)
            meant = None if plan is None else plan.intent(now_s)
            unit = replace(inputs.units[UNIT], plan=meant)
            state, decision = step(state, replace(inputs, units={UNIT: unit}), now_s)
            setpoint = decision.units[UNIT].setpoint
            if setpoint is not None:
                before = plant.on
                plant.command(setpoint.power_w, now_s)
                switches += before is not plant.on
        plant.advance(TICK_S, HOUSE_W + load_w)
        bill += _price(site, now_s) * plant.input_w * TICK_S / 3.6e6
        lowest = min(lowest, plant.soc_percent)
    # What is missing at the end is bought at night.
    missing_kwh = full_kwh - plant.stored_kwh
    share = spec.stored_w(-spec.max_charge_w) / spec.max_charge_w
    bill += missing_kwh / share * 0.18
    given_kwh = plant.reading().discharged_kwh or 0.0
    return bill, given_kwh, lowest, switches


def _price(site: Site, now_s: float) -> float:
    slot = site.tariff.at(now_s)
    assert slot is not None
    assert slot.import_price is not None
    return slot.import_price


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.tools.portable_saving",
        description="What a portable unit on a plug saves in a year, EUR.",
    )
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--load", type=float, nargs="+", default=[20.0, 40.0, 80.0])
    options = parser.parse_args(arguments)
    print("load    at the wall  always on    shifted       wear   given  switches")
    print("   W      EUR/year   EUR/year   EUR/year   EUR/year  kWh/yr      a day")
    for load_w in options.load:
        made = run(load_w, options.days)
        print(
            f"{made.load_w:4.0f}    {made.at_the_wall:10.2f} {made.always_on:10.2f} "
            f"{made.shifted:10.2f} {made.wear:10.2f} {made.given_kwh:7.0f} "
            f"{made.switches:10.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
