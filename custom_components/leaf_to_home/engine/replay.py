"""Runs the engine on a recorded house with a simulated unit, and judges it.

A run executes every row of the house, or every `execute_step_s` seconds of it, at a
constant load. At the start of an executed step the policy sees the load that begins,
the plant gets the set-point, and the means over the step go into the trace. When a day
is left out the run goes on with the next one: the battery keeps its charge, and trips
that would begin in the days left out don't take place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .accounts import Books, account
from .formats import FormatError
from .model import Departure
from .outage_house import Bands
from .outage_replay import OutageBooks, OutagePlay, PlayedOutage
from .plant import Plant, PlantStep
from .records import Records, prices_of_steps
from .replay_planner import HouseRow, ReplayPlanner
from .replay_policies import BASELINE_PERCENT, Baseline, Engine, PlanMaker, Policy
from .replay_run import PLANNED, UNIT, PolicyName, ReplayRun
from .replay_trips import Board, outings
from .trips import Trip

# A departure is short when it lacks more than this.
SHORT_KWH = 0.01
_PROGRESS_STEPS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What came of a run: its books, and one record for each executed step."""

    books: Books
    records: Records
    outage_books: OutageBooks | None = None
    played: Sequence[PlayedOutage] = ()


def run_replay(
    run: ReplayRun,
    *,
    planner: PlanMaker | None = None,
    timer: Callable[[], float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Run `run` and account for it.

    `planner` plans instead of the integration's own; the rule asks nobody.
    `timer` returns seconds of any clock and measures the decisions; `progress` hears
    how many executed steps of how many are done. Raises `FormatError` when a price of
    the run is not known or the steps don't fit.
    """
    house = run.house
    step_s, per_row = _executed_step(run)
    count = len(house.times_s) * per_row
    prices = prices_of_steps(run.contract.site.tariff, house, per_row)
    spec = run.spec
    if run.policy is PolicyName.NONE:
        spec = replace(
            spec, max_soc_percent=min(BASELINE_PERCENT, spec.max_soc_percent)
        )
    plant = Plant(
        spec,
        time_s=house.times_s[0],
        dead_time_s=run.dead_time_s,
        islands=run.habits is not None,
    )
    engine = None
    policy: Policy
    if run.policy is PolicyName.NONE:
        policy = Baseline(plant)
    else:
        if planner is None and run.policy in PLANNED:
            planner = ReplayPlanner(
                run.house,
                run.contract,
                forecast=run.forecast,
                price_knowledge=run.price_knowledge,
                unit=UNIT,
                trips=run.trips,
            )
        policy = engine = Engine(run, plant, step_s, timer, planner)

    play = None
    if run.habits is not None:
        ahead = [outage for outage in run.outages if outage.begin_s >= house.times_s[0]]
        play = OutagePlay(ahead, run.habits, Bands(house), plant, policy)
    records = Records.empty(house, per_row, plant.stored_kwh, prices)
    trips = outings(run.trips, house, step_s, per_row)
    board = Board(trips)
    gone = 0
    back = count
    short_kwh: list[float] = []
    i = 0
    time_s = house.times_s[0]
    for row, row_s in enumerate(house.times_s):
        load_w, solar_w = house.load_w[row], house.solar_w[row]
        forecast_w = house.solar_forecast_w[row] if house.solar_forecast_w else None
        if row_s != time_s:
            plant.skip_to(row_s)
            policy.learn(None)
        for k in range(per_row):
            now_s = row_s + k * step_s
            if i == back:
                plant.plug_in()
            if gone < len(trips) and trips[gone].begin == i:
                outing = trips[gone]
                gone += 1
                back = outing.end
                short_kwh.append(_missing_kwh(plant, outing.trip))
                records.trip_kwh[i] = plant.unplug(outing.trip.energy_kwh)
                if play is not None:
                    play.leave(outing.trip.energy_kwh)
            result, intent, reason = _lived(
                plant, policy, play, records, i, board.at(now_s)
            )
            if engine is not None:
                engine.remember(now_s, load_w)
            if planner is not None:
                planner.learn(
                    now_s,
                    step_s,
                    HouseRow(
                        load_w=load_w, solar_w=solar_w, solar_forecast_w=forecast_w
                    ),
                )
            records.unit_w[i] = result.unit_w
            records.stored_kwh[i] = result.stored_kwh
            records.connected[i] = plant.connected
            records.intents.append(intent)
            records.reasons.append(reason)
            i += 1
            if progress is not None and i % _PROGRESS_STEPS == 0:
                progress(i, count)
        time_s = row_s + house.step_s
    if progress is not None:
        progress(count, count)
    books = account(
        records,
        run.contract,
        run.spec,
        days=house.days,
        days_left_out=house.days_left_out,
        short_kwh=[kwh for kwh in short_kwh if kwh > SHORT_KWH],
        departures=len(short_kwh),
        decision_s=engine.decision_s if engine else (),
        plan_s=engine.plan_s if engine else (),
    )
    return Replay(
        books=books,
        records=records,
        outage_books=play.books() if play else None,
        played=play.played if play else (),
    )


def _lived(
    plant: Plant,
    policy: Policy,
    play: OutagePlay | None,
    records: Records,
    i: int,
    departures: tuple[Departure, ...],
) -> tuple[PlantStep, str, str]:
    """Live through the executed step `i`; return its means, and the policy's words.

    What was not carried in an outage was not taken either.
    """
    now_s, step_s = float(records.times_s[i]), records.step_s
    load_w, solar_w = float(records.load_w[i]), float(records.solar_w[i])
    if play is None or not play.concerns(now_s + step_s):
        if play is not None:
            play.calm(load_w, step_s)
        intent, reason = policy.decide(now_s, load_w, solar_w, departures)
        result = plant.advance(step_s, load_w, solar_w)
        policy.learn(result.grid_w)
        return result, intent, reason
    policy.learn(None)
    result, taken_w, sun_w, (intent, reason) = play.live(
        now_s, step_s, load_w, solar_w, departures
    )
    records.load_w[i], records.solar_w[i] = taken_w, sun_w
    records.outage[i] = True
    return result, intent, reason


def _executed_step(run: ReplayRun) -> tuple[float, int]:
    """Return the executed step and how many of them make one row."""
    step_s = run.house.step_s
    if run.execute_step_s is None:
        return step_s, 1
    per_row = round(step_s / run.execute_step_s) if run.execute_step_s > 0.0 else 0
    if per_row < 1 or abs(per_row * run.execute_step_s - step_s) > 1e-6:
        raise FormatError(
            f"execute-step: expected a part of the step of {step_s:g} s, "
            f"found {run.execute_step_s:g}"
        )
    return step_s / per_row, per_row


def _missing_kwh(plant: Plant, trip: Trip) -> float:
    """Return what the battery lacks at departure, for the trip or what was asked."""
    asked_kwh = plant.spec.capacity_kwh * trip.required_soc_percent / 100.0
    return max(0.0, max(asked_kwh, trip.energy_kwh) - plant.stored_kwh)
