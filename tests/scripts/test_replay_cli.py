"""scripts/replay as people call it: files in, a summary or one clear line out."""

from collections.abc import Sequence
import csv
from dataclasses import dataclass
from datetime import datetime, timedelta
import gzip
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from scripts.tools import light, replay_command

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
TARIFF = """\
currency: EUR
timezone: Europe/Madrid
import:
  bands:
    - {price: 0.22, from: "07:00", to: 23:00}
    - {price: 0.10}
export: 0.05
"""
FIELDS = {
    "total_cost",
    "energy_cost",
    "wear_cost",
    "end_value",
    "import_kwh",
    "export_kwh",
    "charged_kwh",
    "discharged_kwh",
    "losses_kwh",
    "peak_w",
    "peak_window_w",
    "limit_violations",
    "main_limit_violations",
    "starts",
    "reversals",
    "departures",
    "departures_short",
    "short_kwh",
    "backup_hours_median",
    "backup_hours_p5",
    "reserve_violations",
    "days",
    "days_left_out",
    "decision_us_median",
    "plan_ms_median",
    "plan_ms_p95",
}


@dataclass
class Files:
    """A folder with a house of four local days and a tariff."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def write(self, name: str, text: str | bytes) -> str:
        path = self.folder / name
        content = text.encode() if isinstance(text, str) else text
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return str(path)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def run(self, *options: str, house: str = "house.csv") -> str:
        """Run the command, which succeeds, and return what it prints."""
        arguments = [self.path(house), "--tariff", self.path("tariff.yaml")]
        assert replay_command.main([*arguments, "--policy", "rule", *options]) == 0
        return self.capsys.readouterr().out

    def fail(self, *options: str, house: str = "house.csv") -> str:
        """Run the command, which fails, and return its one line."""
        arguments = [self.path(house), "--tariff", self.path("tariff.yaml"), *options]
        assert replay_command.main(arguments) == 2
        out, err = self.capsys.readouterr()
        assert out == ""
        assert err.startswith("replay: error: ")
        assert err.count("\n") == 1
        return err.removeprefix("replay: error: ").strip()


def house_csv(days: int, hole: Sequence[int] = ()) -> str:
    start = datetime.fromisoformat("2026-11-23T00:00:00+01:00")
    lines = ["time,load_w,solar_w"]
    for k in range(days * 48):
        at = (start + timedelta(minutes=30 * k)).isoformat()
        load_w = 2500 if k % 48 in range(34, 44) else 400
        value = ",0" if k in hole else f"{load_w},0"
        lines.append(f"{at},{value}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    made = Files(tmp_path, capsys)
    made.write("house.csv", house_csv(4))
    made.write("tariff.yaml", TARIFF)
    return made


def test_the_summary_shows_the_saving_over_the_baseline(files: Files) -> None:
    out = files.run("--json", files.path("out.json"))
    figures = json.loads((files.folder / "out.json").read_text())
    assert set(figures) >= FIELDS
    assert figures["saving"] > 1.0
    assert f"saving over none: {figures['saving']:,.2f} EUR" in out
    assert f"{figures['total_cost']:.2f}" in out
    assert f"{figures['baseline_total_cost']:.2f}" in out
    assert "house.csv: 4 days from 2026-11-23 to 2026-11-26, steps of 1800 s" in out
    assert "unit leaf-40, trips none" in out
    assert "left out" not in out
    assert figures["days"] == 4
    assert figures["days_left_out"] == []
    assert figures["decision_us_median"] > 0.0
    assert figures["plan_ms_median"] is None
    assert figures["policy"] == "rule"
    assert figures["total_cost"] == pytest.approx(
        figures["energy_cost"]
        + figures["wear_cost"]
        + figures["capacity_cost"]
        - figures["end_value"],
        abs=1e-5,
    )


def test_automatic_is_what_decides_by_default(files: Files) -> None:
    arguments = [files.path("house.csv"), "--tariff", files.path("tariff.yaml")]
    assert replay_command.main([*arguments, "--days", "1"]) == 0
    assert "none     automatic" in files.capsys.readouterr().out


def test_smart_charging_never_discharges(files: Files) -> None:
    out = files.run(*("--policy", "smart"), *("--days", "1"), "--json", files.path("o"))
    figures = json.loads((files.folder / "o").read_text())
    assert "none         smart" in out
    assert figures["discharged_kwh"] == 0.0
    assert figures["charged_kwh"] > 0.0
    assert figures["plan_ms_median"] > 0.0


def test_the_baseline_alone_saves_nothing(files: Files) -> None:
    out = files.run("--policy", "none")
    assert "saving over none: 0.00 EUR, 0.0%" in out
    assert "rule" not in out
    assert "one decision" not in out


def test_everything_may_be_gzipped(files: Files) -> None:
    files.write("house.csv.gz", house_csv(4))
    files.write("prices.csv.gz", prices_csv())
    files.write("tariff.yaml", SERIES.format(name="prices.csv.gz"))
    files.write("unit.yaml.gz", UNIT)
    files.write("trips.csv.gz", TRIPS)
    files.run(
        *("--unit", files.path("unit.yaml.gz"), "--trips", files.path("trips.csv.gz")),
        *("--trace", files.path("t.csv.gz"), "--json", files.path("o.json.gz")),
        house="house.csv.gz",
    )
    with gzip.open(files.path("o.json.gz"), "rt", encoding="utf-8") as file:
        assert json.load(file)["departures"] == 1
    with gzip.open(files.path("t.csv.gz"), "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 48
    assert rows[0]["time"] == "2026-11-23T00:00:00+01:00"
    assert {row["import_price"] for row in rows} == {"0.1", "0.4"}


SERIES = """\
currency: EUR
timezone: Europe/Madrid
import: {{series: {name}}}
published: {{at: "13:00"}}
"""
UNIT = """\
kind: vehicle
usable_kwh: 20
max_charge_w: 3000
max_discharge_w: 3000
efficiency: {charge: 0.93, discharge: 0.93}
"""
TRIPS = """\
departure,return,energy_kwh,required_soc_percent,known_hours_before
2026-11-24T08:00:00+01:00,2026-11-24T17:00:00+01:00,5,60,12
"""


def prices_csv() -> str:
    start = datetime.fromisoformat("2026-11-23T00:00:00+01:00")
    hours = [start + timedelta(hours=k) for k in range(96)]
    return "time,price\n" + "".join(
        f"{hour.isoformat()},{0.4 if 16 < hour.hour < 22 else 0.1}\n" for hour in hours
    )


def test_days_with_long_gaps_are_named(files: Files) -> None:
    files.write("house.csv", house_csv(4, hole=range(60, 66)))
    out = files.run("--trace", files.path("t.csv"))
    assert "left out for long gaps: 2026-11-24" in out
    assert "3 days from 2026-11-23 to 2026-11-26" in out
    days = {
        row["time"][:10]
        for row in csv.DictReader(Path(files.path("t.csv")).read_text().splitlines())
    }
    assert days == {"2026-11-23", "2026-11-25", "2026-11-26"}


def test_start_days_and_seconds(files: Files) -> None:
    out = files.run(
        *("--start", "2026-11-24", "--days", "1", "--execute-step", "60"),
        *("--dead-time", "10", "--trace", files.path("t.csv")),
    )
    assert "1 days from 2026-11-24 to 2026-11-24, steps of 60 s" in out
    assert len(Path(files.path("t.csv")).read_text().splitlines()) == 1 + 1440


def test_the_commuter_follows_the_seed(files: Files) -> None:
    def trace(seed: str) -> str:
        name = files.path(f"t{seed}.csv")
        files.run("--trips", "commuter", "--seed", seed, "--trace", name)
        return Path(name).read_text()

    first = trace("1")
    assert "disconnected" in first
    assert trace("1") == first
    assert trace("2") != first


def test_outages_of_a_file_or_at_random_are_played(files: Files) -> None:
    files.write(
        "cuts.csv", "start,end\n2026-11-24T18:10+01:00,2026-11-24T20:40+01:00\n"
    )
    out = files.run(
        "--outages", files.path("cuts.csv"), "--json", files.path("figures.json")
    )
    assert "hours without grid (h)" in out
    figures = json.loads(Path(files.path("figures.json")).read_text())
    assert figures["outages"] == 1
    assert figures["outage_hours"] == 2.5
    assert figures["outage_load_kwh"] == pytest.approx(6.25)
    assert 0.0 < figures["outage_served_kwh"] <= 6.25
    assert 0.5 < figures["outage_priority_share"] <= 1.0
    assert figures["outage_loads_left_off"] == 0

    assert "without grid" in files.run("--outages", "random:100,2,1")
    assert "without grid" not in files.run()
    assert files.fail("--outages", "random:often").startswith("outages: expected")


def test_presets_and_the_plot(files: Files) -> None:
    files.write("house.csv", house_csv(4, hole=range(60, 66)))
    for unit in ("portable", "leaf-62"):
        out = files.run("--unit", unit, "--plot", files.path("p.png"), "--days", "3")
        assert f"unit {unit}" in out
        assert Path(files.path("p.png")).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("files_", "options", "message"),
    [
        ({}, ["--unit", "leaf-41"], "--unit: expected leaf-24, leaf-30, leaf-40,"),
        ({}, ["--trips", "gone.csv"], "gone.csv: no such file or folder"),
        (
            {},
            ["--unit", "portable", "--trips", "commuter"],
            "--trips: expected a vehicle",
        ),
        ({}, ["--start", "2025-01-01"], "house.csv: expected days from 2026-11-23 to"),
        (
            {},
            ["--execute-step", "7"],
            "execute-step: expected a part of the step of 1800 s",
        ),
        ({}, ["--json", "nowhere/x.json"], "nowhere/x.json: no such file or folder"),
        ({}, ["--plot", "nowhere/x.png"], "nowhere/x.png: no such file or folder"),
        ({}, ["--json", "."], ".: cannot be written: Is a directory"),
        ({}, ["--trace", "/proc/x.csv"], "/proc/x.csv: cannot be written: "),
        ({"tariff.yaml": ""}, [], "tariff.yaml: expected fields such as currency"),
        (
            {"tariff.yaml": "a: [1"},
            [],
            "tariff.yaml, line 1: expected YAML, found: expec",
        ),
        ({"tariff.yaml": b"\xff\xfe\x00"}, [], "tariff.yaml: expected text in UTF-8"),
        ({"tariff.yaml": "a: \x01"}, [], "tariff.yaml: expected YAML, found: no text"),
        (
            {"tariff.yaml": SERIES.format(name="gone.csv")},
            [],
            "gone.csv: no such file or folder",
        ),
        (
            {"tariff.yaml": SERIES.format(name="p.csv"), "p.csv": "time,price\n"},
            [],
            "p.csv: expected at least two rows, found 0",
        ),
        (
            {
                "tariff.yaml": SERIES.format(name="p.csv"),
                "p.csv": "time,price\n2026-11-23T00:00Z,1\n2026-11-23T01:00Z,1\n",
            },
            [],
            "tariff: import: expected a price at 2026-11-23T00:00:00+01:00, found none",
        ),
        (
            {"house.csv": ""},
            [],
            "house.csv: expected the columns time, load_w, solar_w",
        ),
        ({"house.csv": b"\x80\x81" * 99}, [], "house.csv: expected text in UTF-8"),
        (
            {"house.csv": "time,load_w,solar_w\n2026-11-23T00:00:00Z,x,1\n"},
            [],
            "house.csv, line 2: load_w: expected a number, found 'x'",
        ),
        (
            {"u.yaml": "kind: vehicle"},
            ["--unit", "u.yaml"],
            "u.yaml: usable_kwh: expected",
        ),
    ],
)
def test_bad_input_is_one_clear_line(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    files_: dict[str, Any],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(files.folder)
    for name, content in files_.items():
        files.write(name, content)
    assert message in files.fail(*options)


def test_files_that_are_no_files(files: Files) -> None:
    assert "house.txt: no such file" in files.fail(house="house.txt")
    (files.folder / "dir.csv").mkdir()
    assert "cannot be read: Is a directory" in files.fail(house="dir.csv")
    (files.folder / "bad.csv.gz").write_bytes(b"this is not gzipped")
    assert "bad.csv.gz: expected a gzip file" in files.fail(house="bad.csv.gz")
    whole = gzip.compress(house_csv(4).encode())
    (files.folder / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert "cut.csv.gz: expected a gzip file" in files.fail(house="cut.csv.gz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "soon"], "expected a date like 2024-03-10, found 'soon'"),
        (["--days", "0"], "expected a whole number above 0, found '0'"),
        (["--dead-time", "-1"], "expected seconds from 0 to 3600, found '-1'"),
        (["--dead-time", "x"], "expected seconds from 0 to 3600, found 'x'"),
        (["--policy", "best"], "invalid choice: 'best'"),
    ],
)
def test_bad_options_are_told(files: Files, options: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        files.run(*options)
    assert ended.value.code == 2
    assert message in files.capsys.readouterr().err


def test_a_long_run_shows_its_progress(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_PROGRESS_AFTER_S", "_LOG_S"):
        monkeypatch.setattr(replay_command, name, 0.0)
    arguments = [files.path("house.csv"), "--tariff", files.path("tariff.yaml")]
    arguments += ["--policy", "rule", "--execute-step", "60"]
    assert replay_command.main(arguments) == 0
    out, err = files.capsys.readouterr()
    assert "/5760" in err
    assert "step/s" in err
    assert "/5760" not in out


def test_the_entry_needs_no_home_assistant(files: Files) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-X", "importtime", "-m", "scripts.tools.replay"),
            *(files.path("house.csv"), "--tariff", files.path("tariff.yaml")),
            *("--policy", "rule"),
        ],
        cwd=files.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "saving over none" in done.stdout
    assert " homeassistant" not in done.stderr
    assert " matplotlib" not in done.stderr


def test_the_engine_alone_leaves_a_loaded_integration_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = sys.modules[light.PACKAGE]
    light.engine_alone()
    assert sys.modules[light.PACKAGE] is loaded
    monkeypatch.delitem(sys.modules, light.PACKAGE)
    light.engine_alone()
    assert sys.modules[light.PACKAGE].__path__ == [str(light.FOLDER)]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"recorded houses are not at {SHARED}")
def test_the_recorded_house(files: Files, tmp_path: Path) -> None:
    arguments = [str(SHARED / "emhass" / "house.csv.gz"), "--tariff"]
    arguments += [files.path("tariff.yaml"), "--start", "2024-03-10", "--days", "60"]
    arguments += ["--policy", "rule"]
    assert replay_command.main([*arguments, "--json", str(tmp_path / "o.json")]) == 0
    figures = json.loads((tmp_path / "o.json").read_text())
    assert figures["days"] + len(figures["days_left_out"]) == 60
    assert figures["saving"] > 40.0
