"""What is on disk: never half, never overwritten by an older program, never lost."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import ConfigEntryError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util.file import WriteError
import pytest

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import Guard, HomeMode, UnitMode
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitSettings,
    UnitState,
    WindowState,
)
from custom_components.leaf_to_home.engine.stored import to_dict
from custom_components.leaf_to_home.store import (
    HomeStore,
    SafeStore,
    async_remove_unit,
    simulated_store,
)
from tests.conftest import UNIT_ID, make_entry, setup, unit_data

ENTRY_ID = "01JHOME0000000000000000001"
KEY = f"{DOMAIN}.{ENTRY_ID}"

STATE = HomeState(
    settings=HomeSettings(mode=HomeMode.AUTOMATIC, import_limit_w=4000.0),
    units={
        "unit": UnitState(
            settings=UnitSettings(mode=UnitMode.CHARGE, until_s=1e9),
            charged_kwh=12.5,
            reversals_s=[1.0, 2.0],
        )
    },
    guard=Guard.METER_LOST,
    time_s=1e9,
    load_peaks_w=[(17, 4000.0), (18, 5000.0)],
    window=WindowState(peaks_w={"2026-11": [5100.0, 4000.0]}),
)


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    return hass_tmp_config_dir


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Let Home Assistant write files, which the test library would keep it from."""
    return {}


@pytest.fixture
def files(hass: HomeAssistant) -> Path:
    """The folder of the files."""
    folder = Path(hass.config.path(STORAGE_DIR))
    folder.mkdir(exist_ok=True)
    return folder


def put(folder: Path, content: str) -> None:
    (folder / KEY).write_text(content)


def whole(data: Any, **header: Any) -> str:
    return json.dumps(
        {"version": 1, "minor_version": 1, "key": KEY, "data": data, **header}
    )


def aside(folder: Path) -> list[Path]:
    return list(folder.glob(f"{KEY}.corrupt.*"))


async def test_everything_comes_back(hass: HomeAssistant, files: Path) -> None:
    assert await HomeStore(hass, ENTRY_ID).async_save(STATE, {"sensor.grid": 10.0})
    stored = await HomeStore(hass, ENTRY_ID).async_load()
    assert stored.state == STATE
    assert stored.intervals == {"sensor.grid": 10.0}
    assert stored.aside is None


async def test_nothing_is_stored_of_a_new_home(
    hass: HomeAssistant, files: Path
) -> None:
    stored = await HomeStore(hass, ENTRY_ID).async_load()
    assert stored.state is None
    assert stored.aside is None


async def test_a_write_that_failed_is_not_taken_for_done(
    hass: HomeAssistant, files: Path
) -> None:
    store = HomeStore(hass, ENTRY_ID)
    with patch(
        "homeassistant.helpers.storage.write_utf8_file_atomic",
        side_effect=WriteError("disk full"),
    ):
        assert not await store.async_save(STATE, {})
    assert not (files / KEY).exists()
    assert await store.async_save(STATE, {})


async def test_what_waits_for_the_final_write_is_not_on_disk_yet(
    hass: HomeAssistant, files: Path
) -> None:
    store = HomeStore(hass, ENTRY_ID)
    hass.set_state(CoreState.stopping)
    assert not await store.async_save(STATE, {})
    hass.set_state(CoreState.running)


@pytest.mark.parametrize(
    "content",
    [
        whole({"state": {"settings": {"mode": "sideways"}}}),
        whole({"state": {"units": {"unit": {"charged_kwh": "12"}}}}),
        whole({"state": {"load_peaks_w": [[1]]}}),
        whole({"state": []}),
        whole({}),
        whole([]),
        whole(None),
        "{}",
        "[]",
        "[1]",
        "42",
        '{"data": {}}',
        whole({}, version="one"),
    ],
)
async def test_what_cannot_be_read_is_kept_aside(
    hass: HomeAssistant, files: Path, content: str
) -> None:
    put(files, content)
    stored = await HomeStore(hass, ENTRY_ID).async_load()
    assert stored.state is None
    assert [str(path) for path in aside(files)] == [stored.aside]
    assert aside(files)[0].read_text() == content
    assert not (files / KEY).exists()


@pytest.mark.parametrize("content", ["", "{", '{"version": 1, "data": {"state": {'])
async def test_broken_json_is_kept_aside(
    hass: HomeAssistant, files: Path, content: str
) -> None:
    put(files, content)
    stored = await HomeStore(hass, ENTRY_ID).async_load()
    assert stored.state is None
    assert [str(path) for path in aside(files)] == [stored.aside]
    assert aside(files)[0].read_text() == content


@pytest.mark.parametrize(
    ("version", "minor_version", "found"), [(2, 1, "2.1"), (1, 7, "1.7")]
)
async def test_a_newer_version_stays_as_it_is(
    hass: HomeAssistant, files: Path, version: int, minor_version: int, found: str
) -> None:
    content = whole(
        {"state": {"future": True}}, version=version, minor_version=minor_version
    )
    put(files, content)
    with pytest.raises(ConfigEntryError) as raised:
        await HomeStore(hass, ENTRY_ID).async_load()
    assert raised.value.translation_key == "store_newer"
    assert raised.value.translation_placeholders == {"found": found, "supported": "1.1"}
    assert (files / KEY).read_text() == content
    assert aside(files) == []


async def test_an_older_minor_version_is_read(hass: HomeAssistant, files: Path) -> None:
    old = to_dict(STATE)
    del old["window"]
    old["from_the_future"] = 1
    put(files, whole({"state": old}, minor_version=0))
    stored = await HomeStore(hass, ENTRY_ID).async_load()
    assert stored.state is not None
    assert stored.state.window == WindowState()
    assert stored.state.units == STATE.units


async def test_habits_are_not_worth_failing_for(
    hass: HomeAssistant, files: Path
) -> None:
    for habits, expected in (
        (["x"], {}),
        ({"sensor.a": 5, "sensor.b": "5", "sensor.c": -1}, {"sensor.a": 5.0}),
    ):
        put(files, whole({"state": to_dict(STATE), "intervals": habits}))
        stored = await HomeStore(hass, ENTRY_ID).async_load()
        assert stored.state == STATE
        assert stored.intervals == expected


async def test_removal_leaves_nothing(hass: HomeAssistant, files: Path) -> None:
    store = HomeStore(hass, ENTRY_ID)
    put(files, "{")
    await store.async_load()
    await store.async_save(STATE, {})
    await store.async_remove()
    await store.async_remove()
    assert list(files.glob(f"{KEY}*")) == []
    await simulated_store(hass, "unit").async_write({"plant": {}})
    await async_remove_unit(hass, "unit")
    assert list(files.glob(f"{DOMAIN}.simulated*")) == []


async def test_nothing_to_put_aside(hass: HomeAssistant, files: Path) -> None:
    assert await SafeStore(hass, KEY).async_put_aside() is None


async def test_a_home_does_not_load_with_a_newer_state(
    hass: HomeAssistant, files: Path
) -> None:
    entry = make_entry(entry_id=ENTRY_ID)
    entry.add_to_hass(hass)
    content = whole({"state": {}}, version=2)
    put(files, content)
    assert not await hass.config_entries.async_setup(ENTRY_ID)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "store_newer"
    assert (files / KEY).read_text() == content


async def test_a_home_begins_anew_with_an_unreadable_state_and_says_so(
    hass: HomeAssistant, files: Path
) -> None:
    entry = make_entry(unit_data("simulated"), entry_id=ENTRY_ID)
    put(files, whole({"state": {"settings": 1}}))
    home = await setup(hass, entry)
    assert home.state.settings.mode is HomeMode.OBSERVE
    assert UNIT_ID in home.state.units
    registry = ir.async_get(hass)
    issue = registry.async_get_issue(DOMAIN, f"store_unreadable_{ENTRY_ID}")
    assert issue is not None
    assert issue.is_persistent
    assert issue.translation_placeholders == {
        "home": "Home",
        "path": str(aside(files)[0]),
    }
    # It stays until somebody has read it, or the home is gone.
    await hass.config_entries.async_reload(ENTRY_ID)
    await hass.async_block_till_done()
    assert registry.async_get_issue(DOMAIN, f"store_unreadable_{ENTRY_ID}")
    assert list(files.glob(f"{DOMAIN}.*")) != []
    await hass.config_entries.async_remove(ENTRY_ID)
    await hass.async_block_till_done()
    assert registry.async_get_issue(DOMAIN, f"store_unreadable_{ENTRY_ID}") is None
    assert list(files.glob(f"{DOMAIN}.*")) == []
