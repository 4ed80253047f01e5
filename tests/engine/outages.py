"""A home that lives through any sequence of events, and what must hold at each step.

    python -m tests.engine.outages 100000

lives through that many random sequences; a test does so with a few.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
import json
from multiprocessing import Pool
from random import Random
import sys
import time
from typing import Any

from custom_components.leaf_to_home.engine.guard import METER_LOST_S
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Decision,
    Guard,
    HomeMode,
    Inputs,
    IslandingStart,
    Reading,
    Sample,
    UnitInputs,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.outage_model import (
    CARRYING,
    LoadAction,
    LoadInput,
    NoticeCode,
    OutagePhase,
    OutageSettings,
    Tier,
    UnitBackup,
)
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from tests.engine.loop import LEAF, START_S, dear_site

SETTINGS = OutageSettings(
    tiers=(
        Tier(key="comfort", loads=("heater", "boiler"), soc_percent=60.0),
        Tier(key="work", loads=("desk",), soc_percent=40.0, strict=True),
        Tier(key="food", loads=("fridge",), runtime_h=2.0, min_on_s=300.0),
    ),
    put_back=("lamp",),
    driving_percent=20.0,
)
POWERS_W = {
    "heater": 2000.0,
    "boiler": 3000.0,
    "desk": 200.0,
    "fridge": 150.0,
    "lamp": 60.0,
}
SITE = dear_site(main_limit_w=10_000.0)


@dataclass(kw_only=True)
class Load:
    """A load as Home Assistant sees it.

    One that is `deaf` does not obey, one that is `away` is not heard; one that is
    `awake` is heard, and obeys, in the dark.
    """

    on: bool
    by_person: bool = True
    changed_s: float = START_S - 3600.0
    deaf: bool = False
    away: bool = False
    awake: bool = False

    def turn(self, now_s: float, *, on: bool, by_person: bool) -> None:
        """Turn it on or off."""
        if on is not self.on:
            self.on, self.by_person, self.changed_s = on, by_person, now_s


@dataclass(kw_only=True)
class House:
    """A house with one station, seen through sensors that may fail.

    Without `says_island` the station does not tell whether it does. A meter that is
    `meter_behind` the transfer switch sees what is carried, a stuck one says always the
    same.
    """

    settings: OutageSettings = SETTINGS
    backup: UnitBackup = field(
        default_factory=lambda: UnitBackup(limit_w=6000.0, by_hand=False)
    )
    state: HomeState = field(
        default_factory=lambda: HomeState(
            settings=HomeSettings(mode=HomeMode.AUTOMATIC),
            units={"leaf": UnitState(settings=first_settings(LEAF))},
        )
    )
    now_s: float = START_S
    uptime_s: float | None = 1000.0
    grid: bool = True
    islands: bool = False
    plugged: bool = True
    soc_percent: float = 70.0
    base_w: float = 400.0
    power_w: float = 0.0
    sensor: bool = True
    sensor_lies: bool | None = None
    unit_heard: bool = True
    meter_heard: bool = True
    says_island: bool = True
    meter_behind: bool = False
    meter_stuck_w: float | None = None
    test: bool = False
    loads: dict[str, Load] = field(
        default_factory=lambda: {
            "heater": Load(on=True),
            "boiler": Load(on=False),
            "desk": Load(on=True),
            "fridge": Load(on=True),
            "lamp": Load(on=False),
        }
    )
    told: list[tuple[float, Any]] = field(default_factory=list)
    gone_since_s: float | None = None
    tripped: bool = False
    decision: Decision | None = None

    @property
    def load_w(self) -> float:
        """Return what the house would draw with power."""
        return self.base_w + sum(
            POWERS_W[key] for key, load in self.loads.items() if load.on
        )

    @property
    def powered(self) -> bool:
        """Return whether there is light."""
        return self.grid or self.islands

    def reaches(self, load: Load) -> bool:
        """Return whether a load is heard."""
        return not load.away and (self.powered or load.awake)

    def set_grid(self, *, there: bool) -> None:
        """Cut the mains, or bring them back; the station follows."""
        if there is self.grid:
            return
        self.grid = there
        self.power_w = 0.0
        self.islands = not there and self.plugged and not self.backup.by_hand
        if self.powered:
            # Some come on by themselves with the power.
            self.loads["lamp"].turn(self.now_s, on=True, by_person=False)

    def inputs(self) -> Inputs:
        """Return what a step may know now."""
        reading = None
        if self.unit_heard:
            status = UnitStatus.IDLE
            if not self.plugged:
                status = UnitStatus.DISCONNECTED
            elif self.islands and self.says_island:
                status = UnitStatus.ISLANDING
            reading = Reading(
                time_s=self.now_s,
                soc_percent=float(int(self.soc_percent)) if self.plugged else None,
                power_w=self.load_w if self.islands else self.power_w,
                connected=self.plugged,
                status=status,
                islanding=self.islands if self.says_island else None,
            )
        sign: bool | None = self.grid
        if not self.sensor:
            sign = None
        elif self.sensor_lies is not None:
            sign = self.sensor_lies
        grid_w = 0.0
        if self.meter_stuck_w is not None:
            grid_w = self.meter_stuck_w
        elif self.grid:
            grid_w = self.load_w - self.power_w + self.now_s % 7
        elif self.islands and self.meter_behind:
            grid_w = self.load_w + self.now_s % 7
        return Inputs(
            site=SITE,
            units={
                "leaf": UnitInputs(
                    spec=LEAF,
                    capabilities=Capabilities(islanding=IslandingStart.BY_ITSELF),
                    reading=reading,
                    backup=self.backup,
                )
            },
            grid=Sample(value=grid_w, time_s=self.now_s) if self.meter_heard else None,
            mains_signs=(sign,),
            outage=self.settings,
            outage_test=self.test,
            loads={
                key: LoadInput(
                    on=load.on if self.reaches(load) else None,
                    state="on" if load.on else "off",
                    by_person=load.by_person,
                    changed_s=load.changed_s,
                    power_w=POWERS_W[key] if load.on else 0.0,
                )
                for key, load in self.loads.items()
            },
            uptime_s=self.uptime_s,
        )

    def tick(self, seconds: float = 1.0) -> Decision:
        """Let time pass, decide, and check what must hold."""
        self.now_s += seconds
        if self.uptime_s is not None:
            self.uptime_s += seconds
        if self.islands:
            drained_w = -LEAF.stored_w(min(self.load_w, 6000.0))
            share = drained_w * seconds / 3.6e6 / LEAF.capacity_kwh
            self.soc_percent = max(0.0, self.soc_percent - 100.0 * share)
            if self.soc_percent <= LEAF.min_soc_percent:
                self.islands = False
        inputs = self.inputs()
        before = self.state
        self.state, decision = step(before, inputs, self.now_s)
        self.decision = decision
        check(self, before, inputs, decision)
        self._carry_out(decision)
        return decision

    def run(self, seconds: float, tick_s: float = 1.0) -> Decision:
        """Run on for a time; return the last decision."""
        for _ in range(max(1, round(seconds / tick_s)) - 1):
            self.tick(tick_s)
        return self.tick(tick_s)

    def restart(self, down_s: float = 5.0, *, machine: bool = False) -> None:
        """Restart with what is on disk, after a while."""
        stored = json.loads(json.dumps(to_dict(self.state)))
        self.state = from_dict(HomeState, stored)
        self.now_s += down_s
        if self.uptime_s is not None:
            self.uptime_s = 20.0 if machine else self.uptime_s + down_s

    def _carry_out(self, decision: Decision) -> None:
        unit = decision.units["leaf"]
        if unit.send and unit.setpoint is not None and self.plugged:
            self.power_w = unit.setpoint.power_w if self.grid else 0.0
        elif unit.park:
            self.power_w = 0.0
        assert decision.outage is not None
        for command in decision.outage.commands:
            self.told.append((self.now_s, command))
            load = self.loads[command.load]
            if load.deaf or not self.reaches(load):
                continue
            on = command.action is LoadAction.RESTORE
            load.turn(self.now_s, on=on, by_person=False)


def check(house: House, before: HomeState, inputs: Inputs, decision: Decision) -> None:
    """Assert what must hold whatever happens."""
    memory, outage = house.state.outage, decision.outage
    assert outage is not None
    unit = decision.units["leaf"]
    wrote = unit.send or unit.park
    reading = inputs.units["leaf"].reading

    # Rule 7: nothing is written in an island, a suspicion or an outage.
    sign = inputs.mains_signs[0]
    if (reading is not None and reading.islanding) or sign is False:
        assert not wrote
        assert decision.guard is not Guard.CLEAR
    if outage.phase in CARRYING and not outage.test:
        assert not wrote
    if house.state.lost_s is not None and (
        house.now_s - house.state.lost_s < METER_LOST_S
    ):
        assert not wrote
    assert not unit.stop, "nobody has opted in"

    # Unknown is neither an outage nor its end.
    was = before.outage.phase
    if was not in CARRYING and outage.phase in CARRYING:
        assert outage.test or sign is False or (reading and reading.islanding)
    if was in CARRYING and outage.phase is OutagePhase.RESTORING:
        assert before.outage.test or sign is not False
        assert before.outage.test or not (reading and reading.islanding)

    # An outage that is known goes on while the station carries, whatever falls silent.
    if house.islands and not house.grid and sign is not True:
        if was in CARRYING and not before.outage.test:
            assert not wrote
            assert outage.phase in CARRYING

    # What is played writes no unit differently, and looks like no outage of the books.
    if memory.test:
        assert not memory.holds

    # Nothing is shed without being known, and nothing twice.
    held = {key for key, known in memory.loads.items() if known.kept is None}
    codes = [notice.code for notice in outage.notices]
    assert (NoticeCode.LOADS_SHED in codes) is bool(held)
    loads = [command.load for command in outage.commands]
    assert len(loads) == len(set(loads))
    for command in outage.commands:
        known = inputs.loads[command.load]
        assert known.on is not None, "what is unknown is not commanded"
        if command.action is not LoadAction.RESTORE:
            assert known.on
        if command.action is LoadAction.SHED:
            assert command.load in memory.loads
            assert outage.phase in CARRYING
            assert house.state.settings.mode not in (HomeMode.OFF, HomeMode.OBSERVE)

    # What is stored is what is remembered.
    assert outage.minutes_this_year >= 0.0
    if outage.runtime is not None and None not in (
        outage.runtime.low_h,
        outage.runtime.likely_h,
        outage.runtime.high_h,
    ):
        low_h, likely_h = outage.runtime.low_h or 0.0, outage.runtime.likely_h or 0.0
        assert 0.0 <= low_h <= likely_h <= (outage.runtime.high_h or 0.0)


def flicker(house: House) -> None:
    """Let the mains go and come within the debounce."""
    if house.grid:
        house.set_grid(there=False)
        house.tick(1.0)
        house.set_grid(there=True)


def plug(house: House, *, there: bool) -> None:
    """Plug the car in, or take it away."""
    house.plugged = there
    if not there:
        house.islands = False
        house.power_w = 0.0


def start(house: House) -> None:
    """Let a person start the island, or end it."""
    if not house.grid and house.plugged:
        house.islands = True
    elif house.grid:
        house.islands = False


def someone(house: House, random: Random, *, by_person: bool) -> None:
    """Turn a load on or off."""
    load = house.loads[random.choice(list(house.loads))]
    load.turn(house.now_s, on=not load.on, by_person=by_person)


def toggle(house: House, random: Random, name: str) -> None:
    """Let a load go deaf or silent, or be well again."""
    load = house.loads[random.choice(list(house.loads))]
    setattr(load, name, not getattr(load, name))


def change_mode(house: House, random: Random) -> None:
    """Change what the user wants, as the user would."""
    state = house.state.copy()
    state.settings = replace(
        state.settings,
        mode=random.choice([HomeMode.AUTOMATIC, HomeMode.AUTOMATIC, *HomeMode]),
    )
    unit = state.units["leaf"]
    unit.settings = replace(
        unit.settings, mode=random.choice([UnitMode.AUTOMATIC, *UnitMode])
    )
    house.state = state


EVENTS: dict[str, Callable[[House, Random], None]] = {
    "cut": lambda house, _: house.set_grid(there=False),
    "power": lambda house, _: house.set_grid(there=True),
    "flicker": lambda house, _: flicker(house),
    "sensor dies": lambda house, _: setattr(house, "sensor", False),
    "sensor lives": lambda house, _: setattr(house, "sensor", True),
    "sensor lies": lambda house, random: setattr(
        house, "sensor_lies", random.choice([None, None, True, False])
    ),
    "unit silent": lambda house, _: setattr(house, "unit_heard", False),
    "unit speaks": lambda house, _: setattr(house, "unit_heard", True),
    "meter silent": lambda house, _: setattr(house, "meter_heard", False),
    "meter speaks": lambda house, _: setattr(house, "meter_heard", True),
    "meter sticks": lambda house, random: setattr(
        house, "meter_stuck_w", random.choice([None, None, 412.0])
    ),
    "unplug": lambda house, _: plug(house, there=False),
    "plug": lambda house, _: plug(house, there=True),
    "start by hand": lambda house, _: start(house),
    "restart": lambda house, random: house.restart(
        random.choice([5.0, 90.0, 4000.0]), machine=random.random() < 0.3
    ),
    "clock": lambda house, random: setattr(
        house, "now_s", house.now_s + random.choice([-7200.0, -3.0, 300.0, 7200.0])
    ),
    "no uptime": lambda house, _: setattr(house, "uptime_s", None),
    "charge": lambda house, random: setattr(
        house, "soc_percent", random.choice([12.0, 22.0, 41.0, 61.0, 90.0])
    ),
    "draw": lambda house, random: setattr(
        house, "base_w", random.choice([100.0, 400.0, 2500.0, 5000.0, 7000.0])
    ),
    "person": lambda house, random: someone(house, random, by_person=True),
    "by itself": lambda house, random: someone(house, random, by_person=False),
    "deaf": lambda house, random: toggle(house, random, "deaf"),
    "away": lambda house, random: toggle(house, random, "away"),
    "awake": lambda house, random: toggle(house, random, "awake"),
    "test": lambda house, _: setattr(house, "test", not house.test),
    "mode": change_mode,
    "tiers": lambda house, random: setattr(
        house,
        "settings",
        replace(
            house.settings,
            tiers=SETTINGS.tiers[: random.choice([0, 1, 3, 3])],
            test_sheds=random.random() < 0.5,
        ),
    ),
}


def settle(house: House) -> None:
    """Let everything be well for long enough; nothing may be left undone."""
    house.test = False
    house.set_grid(there=True)
    house.islands = False
    house.sensor = house.unit_heard = house.meter_heard = True
    house.sensor_lies = house.meter_stuck_w = None
    for load in house.loads.values():
        load.deaf = load.away = False
    for _ in range(80):
        house.tick(20.0)
        if house.state.outage.phase is OutagePhase.NORMAL and not (
            house.state.outage.loads
        ):
            break
    outage = house.state.outage
    assert outage.phase is OutagePhase.NORMAL, outage.phase
    assert not outage.loads, "loads are left shed"
    assert not outage.tiers


def live(seed: int, events: int = 9) -> House:
    """Live through one random sequence."""
    random = Random(seed)
    house = House(
        backup=UnitBackup(
            limit_w=6000.0,
            by_hand=random.random() < 0.3,
            by_hand_back=random.random() < 0.3,
        ),
        says_island=random.random() < 0.7,
        meter_behind=random.random() < 0.3,
    )
    if not house.meter_behind and random.random() < 0.5:
        house.settings = replace(SETTINGS, meter_at_grid=True)
    house.run(3.0)
    names = list(EVENTS)
    for _ in range(events):
        EVENTS[random.choice(names)](house, random)
        if random.random() < 0.3:
            house.set_grid(there=False)
        for _ in range(random.choice([1, 2, 3, 5])):
            house.tick(random.choice([1.0, 1.0, 2.0, 5.0, 20.0, 61.0]))
    settle(house)
    return house


def outcome(seed: int) -> tuple[int, str | None, bool, bool]:
    """Live through a sequence; return what broke, and whether much happened."""
    try:
        house = live(seed)
    except AssertionError as err:
        return seed, repr(err), False, False
    shed = any(told.action is LoadAction.SHED for _, told in house.told)
    return seed, None, house.state.outage.outages > 0, shed


def main() -> None:
    """Live through many sequences, and say how it went."""
    count = int(sys.argv[1])
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began = time.monotonic()
    outages = shed = broken = 0
    with Pool() as pool:
        seeds = range(first, first + count)
        for seed, error, had_outage, had_shed in pool.imap(outcome, seeds, 50):
            outages += had_outage
            shed += had_shed
            if error is not None:
                broken += 1
                print(f"seed {seed}: {error}", flush=True)  # noqa: T201 its result
    took_s = time.monotonic() - began
    print(  # noqa: T201 its result
        f"{count} sequences in {took_s:.0f} s: {broken} broke a rule; an outage in "
        f"{outages}, loads shed in {shed}"
    )
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
