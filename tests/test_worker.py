"""The worker: the latest order wins, is verified, repeated and never sent late."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
import logging
from typing import override

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.model import (
    NativeMode,
    Outcome,
    OutcomeKind,
    Reason,
    ReasonCode,
    Setpoint,
)
from custom_components.leaf_to_home.units.base import UnitContext
from custom_components.leaf_to_home.worker import UnitWorker
from tests.recording import RecordingUnit

SPEC = UnitSpec(
    kind=UnitKind.VEHICLE, usable_kwh=36.0, max_charge_w=6000.0, max_discharge_w=6000.0
)


def setpoint(
    power_w: float,
    code: ReasonCode = ReasonCode.DEAR_PRICE,
    native: NativeMode | None = None,
) -> Setpoint:
    return Setpoint(power_w=power_w, reason=Reason(code=code), native=native)


class SlowUnit(RecordingUnit):
    """A unit whose wire takes as long as the test wants."""

    def __init__(self, context: UnitContext) -> None:
        super().__init__(context)
        self.answer = asyncio.Event()

    @override
    async def apply(self, setpoint: Setpoint) -> Outcome:
        self.calls.append("begin")
        await self.answer.wait()
        return await super().apply(setpoint)


class Bench:
    """A worker with its unit, and what it may do."""

    def __init__(self, hass: HomeAssistant, unit: RecordingUnit) -> None:
        self.hass = hass
        self.unit = unit
        self.allowed = True
        self.asked: list[bool] = []
        self.outcomes = 0
        self.worker = UnitWorker(
            unit=unit, name="LEAF", may_write=self._may_write, on_outcome=self._outcome
        )
        self.worker.async_start(hass)

    @property
    def powers(self) -> list[float]:
        """Return what the device was told."""
        return [each.power_w for each in self.unit.setpoints]

    def parking(self) -> bool:
        return self.worker.parking

    def kind(self) -> OutcomeKind | None:
        return self.worker.outcome.kind if self.worker.outcome else None

    def _may_write(self, park: bool) -> bool:
        self.asked.append(park)
        return self.allowed

    def _outcome(self) -> None:
        self.outcomes += 1


class Clock:
    """Lets the worker live."""

    def __init__(self, freezer: FrozenDateTimeFactory) -> None:
        self._freezer = freezer

    async def run(self, seconds: float = 0.0) -> None:
        """Let so many seconds pass and a little, and what is due happen."""
        seconds += 0.01 if seconds else 0.0
        while True:
            for _ in range(8):
                await asyncio.sleep(0)
            if seconds <= 0.0:
                return
            self._freezer.tick(timedelta(seconds=min(0.5, seconds)))
            seconds -= 0.5


@pytest.fixture
def clock(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Clock:
    hass.loop.slow_callback_duration = 1e9
    return Clock(freezer)


def context(**data: object) -> UnitContext:
    return UnitContext(subentry_id="unit", name="LEAF", spec=SPEC, data=data)


@pytest.fixture
async def bench(hass: HomeAssistant, clock: Clock) -> AsyncGenerator[Bench]:
    bench = Bench(hass, RecordingUnit(context()))
    yield bench
    await bench.worker.async_stop()


async def test_a_command_is_written_once(bench: Bench, clock: Clock) -> None:
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(300)
    assert bench.powers == [1000.0]
    assert bench.kind() is OutcomeKind.APPLIED
    assert (bench.worker.writes, bench.outcomes) == (1, 1)

    # The same for another reason is nothing new, another native mode is.
    bench.worker.async_set(setpoint(1000.0, ReasonCode.SETTLING))
    await clock.run(300)
    assert bench.powers == [1000.0]
    bench.worker.async_set(setpoint(1000.0, native=NativeMode.FOLLOW))
    await clock.run()
    assert bench.powers == [1000.0, 1000.0]


async def test_the_latest_wins(hass: HomeAssistant, clock: Clock) -> None:
    unit = SlowUnit(context())
    bench = Bench(hass, unit)
    for power_w in (100.0, 200.0, 300.0):
        bench.worker.async_set(setpoint(power_w))
    await clock.run()
    assert unit.calls == ["begin"], "only one at a time is on the wire"
    for power_w in (400.0, 500.0):
        bench.worker.async_set(setpoint(power_w))
    unit.answer.set()
    await clock.run()
    assert bench.powers == [300.0, 500.0]
    await bench.worker.async_stop()


async def test_silence_takes_back_what_is_not_sent(bench: Bench, clock: Clock) -> None:
    bench.allowed = False
    bench.worker.async_set(setpoint(0.0))
    await clock.run(2)
    assert bench.asked == [False] * 2, "asked again about every second"
    bench.worker.async_set(None)
    bench.allowed = True
    await clock.run(60)
    assert bench.powers == []


async def test_it_asks_right_before_it_writes(bench: Bench, clock: Clock) -> None:
    bench.allowed = False
    bench.worker.async_set(setpoint(0.0))
    await clock.run(5)
    assert bench.powers == []
    bench.allowed = True
    await clock.run(1)
    assert bench.powers == [0.0]


async def test_a_refusal_is_repeated_ever_more_slowly(
    bench: Bench, clock: Clock
) -> None:
    bench.unit.outcome = OutcomeKind.REFUSED
    bench.worker.async_set(setpoint(1000.0))
    counts = []
    for seconds in (0, 5, 10, 20, 40, 60, 60):
        await clock.run(seconds)
        counts.append(len(bench.powers))
    assert counts == [1, 2, 3, 4, 5, 6, 7]
    assert bench.kind() is OutcomeKind.REFUSED

    # Another command is tried at once, with the patience of the beginning.
    bench.worker.async_set(setpoint(500.0))
    await clock.run(5)
    assert bench.powers[7:] == [500.0, 500.0]
    bench.unit.outcome = OutcomeKind.LIMITED
    await clock.run(10)
    assert len(bench.powers) == 10
    await clock.run(300)
    assert len(bench.powers) == 10, "a limited command stands"


async def test_a_newer_order_does_not_wait_for_a_refused_one(
    hass: HomeAssistant, clock: Clock
) -> None:
    unit = SlowUnit(context())
    bench = Bench(hass, unit)
    unit.outcome = OutcomeKind.REFUSED
    bench.worker.async_set(setpoint(1000.0))
    await clock.run()
    bench.worker.async_set(setpoint(2000.0))
    unit.answer.set()
    await clock.run()
    assert bench.powers == [1000.0, 2000.0]
    await bench.worker.async_stop()


async def test_a_dead_wire_is_not_hammered(bench: Bench, clock: Clock) -> None:
    bench.unit.reachable = False
    for power_w in range(60):
        bench.worker.async_set(setpoint(float(power_w)))
        await clock.run(1)
    assert len(bench.powers) == 4, "0, 5, 15, 35 s"
    assert bench.kind() is OutcomeKind.UNREACHABLE
    assert bench.worker.outcome is not None
    assert bench.worker.outcome.detail == "no answer"

    bench.unit.reachable = True
    bench.worker.async_forget()
    await clock.run()
    assert bench.powers[-1] == 59.0
    assert bench.kind() is OutcomeKind.APPLIED


async def test_a_device_that_was_away_is_told_again(bench: Bench, clock: Clock) -> None:
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(10)
    bench.worker.async_forget()
    await clock.run(10)
    assert bench.powers == [1000.0, 1000.0]


async def test_after_silence_the_same_is_written_again(
    bench: Bench, clock: Clock
) -> None:
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(1)
    bench.worker.async_set(None)
    await clock.run(1)
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(1)
    assert bench.powers == [1000.0, 1000.0]


async def test_silence_while_on_the_wire(hass: HomeAssistant, clock: Clock) -> None:
    unit = SlowUnit(context())
    bench = Bench(hass, unit)
    bench.worker.async_set(setpoint(1000.0))
    await clock.run()
    bench.worker.async_set(None)
    unit.answer.set()
    await clock.run(60)
    assert bench.powers == [1000.0]
    bench.worker.async_set(setpoint(1000.0))
    await clock.run()
    assert bench.powers == [1000.0, 1000.0]
    await bench.worker.async_stop()


async def test_the_watchdog_is_fed_while_the_order_stands(
    hass: HomeAssistant, clock: Clock
) -> None:
    bench = Bench(hass, RecordingUnit(context(watchdog_s=30.0)))
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(35)
    assert bench.powers == [1000.0] * 4, "0, 10, 20, 30 s"
    bench.allowed = False
    await clock.run(20)
    assert len(bench.powers) == 4
    bench.allowed = True
    await clock.run(1)
    assert len(bench.powers) == 5
    bench.worker.async_set(None)
    await clock.run(60)
    assert len(bench.powers) == 5, "silence starves it"
    bench.worker.async_park()
    await clock.run(60)
    assert bench.unit.writes[5:] == ["park"], "nothing is fed after the safe stop"
    await bench.worker.async_stop()


async def test_parks_once(bench: Bench, clock: Clock) -> None:
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(1)
    bench.worker.async_park()
    assert bench.parking()
    await clock.run(1)
    assert bench.asked == [False, True]
    assert not bench.parking()
    bench.worker.async_set(None)
    await clock.run(60)
    bench.worker.async_park()
    await clock.run(60)
    assert bench.unit.writes == ["apply", "park"]
    bench.worker.async_set(setpoint(500.0))
    await clock.run(1)
    bench.worker.async_park()
    await clock.run(1)
    assert bench.unit.writes == ["apply", "park", "apply", "park"]


async def test_an_island_ends_although_nothing_else_may_be_written(
    bench: Bench, clock: Clock
) -> None:
    bench.allowed = False
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(2)
    assert bench.unit.writes == []
    bench.worker.async_end_island()
    await clock.run(2)
    assert bench.unit.writes == ["park"]
    # It is told once, and not again with what is wanted next.
    bench.worker.async_set(None)
    bench.worker.async_park()
    await clock.run(2)
    assert bench.unit.writes == ["park"]


async def test_parking_goes_on_until_it_is_done(bench: Bench, clock: Clock) -> None:
    bench.unit.reachable = False
    bench.worker.async_park()
    await clock.run(16)
    assert bench.unit.writes == ["park"] * 3
    assert bench.parking()
    bench.unit.reachable = True
    await clock.run(20)
    assert not bench.parking()
    assert bench.kind() is OutcomeKind.APPLIED


@pytest.mark.parametrize(
    ("error", "kind", "detail", "logged"),
    [
        (HomeAssistantError("not now"), OutcomeKind.REFUSED, "not now", 0),
        (ValueError("a bug"), OutcomeKind.REFUSED, "ValueError", 1),
        (TimeoutError(), OutcomeKind.UNREACHABLE, None, 0),
    ],
)
async def test_an_error_is_an_outcome(
    bench: Bench,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    kind: OutcomeKind,
    detail: str | None,
    logged: int,
) -> None:
    bench.unit.error = error
    bench.worker.async_set(setpoint(1000.0))
    await clock.run()
    assert bench.worker.outcome is not None
    assert bench.worker.outcome.kind is kind
    assert bench.worker.outcome.detail == detail
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == logged
    bench.unit.error = None
    await clock.run(5)
    assert bench.kind() is OutcomeKind.APPLIED


async def test_a_hung_wire_is_given_up(hass: HomeAssistant, clock: Clock) -> None:
    unit = SlowUnit(context())
    bench = Bench(hass, unit)
    bench.worker.async_set(setpoint(1000.0))
    await clock.run(31)
    assert bench.kind() is OutcomeKind.UNREACHABLE
    unit.answer.set()
    await clock.run(5)
    assert bench.kind() is OutcomeKind.APPLIED
    await bench.worker.async_stop()


async def test_stopping_lets_the_last_write_end(
    hass: HomeAssistant, clock: Clock
) -> None:
    unit = SlowUnit(context())
    bench = Bench(hass, unit)
    bench.worker.async_set(setpoint(1000.0))
    await clock.run()
    stopping = hass.async_create_task(bench.worker.async_stop())
    bench.worker.async_set(None)
    await clock.run(1)
    assert not stopping.done()
    unit.answer.set()
    await clock.run()
    assert stopping.done()
    assert bench.powers == [1000.0]
    assert bench.kind() is OutcomeKind.APPLIED


async def test_stopping_waits_three_seconds(
    hass: HomeAssistant, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(hass, SlowUnit(context()))
    bench.worker.async_set(setpoint(1000.0))
    await clock.run()
    stopping = hass.async_create_task(bench.worker.async_stop())
    await clock.run(3.5)
    assert stopping.done()
    assert bench.powers == []
    assert "not answered in time" in caplog.text


async def test_stopping_what_never_started(hass: HomeAssistant) -> None:
    worker = UnitWorker(
        unit=RecordingUnit(context()),
        name="LEAF",
        may_write=lambda park: True,
        on_outcome=lambda: None,
    )
    await worker.async_stop()
