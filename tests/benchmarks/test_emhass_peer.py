"""EMHASS as a peer: asked with what is known, followed as it says, failing loudly."""

from dataclasses import replace
import json
import os
from pathlib import Path
import sys

import pytest

from custom_components.leaf_to_home.engine.model import IntentKind
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from tests.engine.replays import LEAF, contract
from tests.engine.test_planning import NOW_S, TRIPS, bands, day_ahead, house

pytest.importorskip("highspy", reason="the benchmark group is not installed")

from benchmarks import emhass_peer
from benchmarks.emhass_peer import EmhassPeer, PeerError, Worker, set_point
from benchmarks.scenarios import CASES, Scenario
from scripts.tools import bench_command

STAND_IN = Path(__file__).with_name("emhass_stand_in.py")
EMHASS = os.environ.get(emhass_peer.PYTHON)


def stand_in(misbehaviour: str = "") -> list[str]:
    return [sys.executable, str(STAND_IN), misbehaviour]


def parked(**changes: object) -> ReplayRun:
    run = ReplayRun(house=house(2), contract=contract(), spec=LEAF)
    return replace(run, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("live", [False, True])
def test_what_it_says_is_carried_out(live: bool) -> None:
    run = parked()
    with EmhassPeer(run, live=live, command=stand_in()) as peer:
        replay = run_replay(run, planner=peer)
    naive = run_replay(replace(run, policy=PolicyName.NONE)).books
    assert replay.books.total_cost < naive.total_cost
    assert replay.books.reserve_violations == 0
    # The house draws 2.5 kW then, the set-point is 1 kW, and the station buys 50 W.
    evening_w = replay.records.unit_w[18]
    assert evening_w == pytest.approx(2450.0 if live else 1000.0, abs=5.0)


def test_a_set_point_is_held_and_a_small_one_is_none() -> None:
    charge, cover, hold = (set_point(power_w) for power_w in (-3000.0, 800.0, 15.0))
    assert (charge.kind, charge.power_w) == (IntentKind.CHARGE, 3000.0)
    assert (cover.kind, cover.power_w) == (IntentKind.COVER, 800.0)
    assert not cover.absorb_surplus
    assert hold.kind is IntentKind.HOLD


def test_it_is_asked_up_to_the_end_of_the_known_prices() -> None:
    slots = day_ahead().known(NOW_S, hours=48.0)
    horizon = emhass_peer._horizon(slots, NOW_S, 3600.0, NOW_S + 1e6)
    assert horizon.starts_s[0] == NOW_S - NOW_S % 3600.0
    assert horizon.starts_s[-1] == slots[-1].end_s
    assert len(horizon.import_price) == 14
    for at_s, price in zip(
        horizon.starts_s[1:-1], horizon.import_price[1:], strict=True
    ):
        (slot,) = (s for s in slots if s.start_s <= at_s < s.end_s)
        assert price == slot.import_price
    assert set(horizon.export_price) == {0.05}


def test_it_is_asked_for_some_steps_even_where_the_run_ends() -> None:
    slots = bands().known(NOW_S, hours=48.0)
    horizon = emhass_peer._horizon(slots, NOW_S, 900.0, NOW_S + 600.0)
    assert len(horizon.import_price) == emhass_peer.FEWEST_STEPS


def test_a_problem_that_it_cannot_solve_is_a_hold() -> None:
    run = parked()
    with EmhassPeer(run, live=False, command=stand_in("infeasible")) as peer:
        books = run_replay(run, planner=peer).books
    assert books.discharged_kwh == 0.0


@pytest.mark.parametrize(
    ("misbehaviour", "message"), [("error", "ValueError: no"), ("end", "code 3")]
)
def test_a_failure_ends_the_run(misbehaviour: str, message: str) -> None:
    run = parked()
    with (
        EmhassPeer(run, live=False, command=stand_in(misbehaviour)) as peer,
        pytest.raises(PeerError, match=message),
    ):
        run_replay(run, planner=peer)


def test_who_is_gone_is_not_asked() -> None:
    worker = Worker(stand_in("end"), {})
    for _ in range(2):
        with pytest.raises(PeerError, match="code 3: no word why"):
            worker.ask({"load_w": [0.0] * 100_000})
    worker.close()


def test_a_python_without_it_says_so() -> None:
    command = [sys.executable, str(emhass_peer.WORKER)]
    with pytest.raises(PeerError, match="No module named 'emhass'"):
        Worker(command, {})


def test_what_it_cannot_express_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PeerError, match="always at home"):
        EmhassPeer(parked(trips=TRIPS), live=False, command=stand_in())
    monkeypatch.delenv(emhass_peer.PYTHON, raising=False)
    with pytest.raises(PeerError, match="names no Python"):
        EmhassPeer(parked(), live=False)


def test_the_command_puts_it_beside_the_others(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{STAND_IN}'\n")
    python.chmod(0o755)
    monkeypatch.setenv(emhass_peer.PYTHON, str(python))
    monkeypatch.setattr(bench_command, "PROCESSES", 1)
    case = Scenario(name="small", run=parked(trips=TRIPS))
    away = replace(case, name="commuting")
    monkeypatch.setitem(CASES, "home1-bands", lambda _days: case)
    monkeypatch.setitem(CASES, "commuter", lambda _days: away)
    file = tmp_path / "bench.json"
    arguments = ["--peer", "emhass", "--policy", "rule", "--json", str(file)]
    arguments += ["--scenario", "home1-bands", "--scenario", "commuter"]
    assert bench_command.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "cannot leave" in shown
    saved = {
        row.split()[0]: row.split()[-3:]
        for row in shown.splitlines()
        if row.startswith(("small", "commuting", "mean"))
    }
    assert "–" not in saved["small"]
    assert saved["commuting"][1:] == ["–", "–"]
    # A mean is over what everybody can do.
    assert saved["mean"] == saved["small"]
    cases = json.loads(file.read_text("utf-8"))["planners"]
    policies = [[result["policy"] for result in case["results"]] for case in cases]
    assert policies[0][-3:] == ["rule", "emhass", "emhass live"]
    assert policies[1][-1] == "rule"


@pytest.mark.skipif(EMHASS is None, reason=f"{emhass_peer.PYTHON} is not set")
def test_emhass_itself_plans_what_pays() -> None:
    run = parked(contract=contract(capacity={"price_per_kw_month": 5.0}))
    with EmhassPeer(run, live=False) as peer:
        books = run_replay(run, planner=peer).books
        worker = peer._worker
        assert worker.version == "0.18.7"
        with pytest.raises(PeerError, match="optim_status"):
            worker.ask(
                {
                    "load_w": [1.0],
                    "solar_w": [0.0],
                    "import_price": [0.1],
                    "export_price": [0.1],
                    "soc": 0.5,
                    "soc_final": 0.3,
                    "peak_w": 0.0,
                }
            )
    naive = run_replay(replace(run, policy=PolicyName.NONE)).books
    assert books.total_cost < naive.total_cost
    assert books.discharged_kwh > 2.0
    with pytest.raises(PeerError, match="not settings of this EMHASS: nonsense"):
        Worker(emhass_peer._command(), {"nonsense": 1})
