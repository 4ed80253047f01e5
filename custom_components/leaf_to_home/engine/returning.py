"""What switches itself on when power returns, and is put back."""

from collections.abc import Mapping
from dataclasses import replace

from .outage_memory import OutageMemory, SeenLoad, at_once
from .outage_model import LoadAction, LoadCommand, LoadInput, OutageSettings

# How a load is counts as meant when it was so this long, or somebody made it so.
MEANT_S = 120.0
# Power may have come back this long before anybody noticed that it was gone.
UNNOTICED_S = 60.0
OBEY_S = 10.0
TRIES = 3


def look(
    memory: OutageMemory,
    settings: OutageSettings,
    loads: Mapping[str, LoadInput],
    now_s: float,
) -> None:
    """Remember how each load is while the grid is there."""
    for key in list(memory.seen):
        if key not in settings.put_back:
            del memory.seen[key]
    for load in settings.put_back:
        now = loads.get(load)
        if now is None or now.on is None:
            continue
        seen = memory.seen.get(load)
        lasts = now.changed_s is not None and not 0.0 <= now_s - now.changed_s < MEANT_S
        if seen is None or now.by_person or lasts:
            memory.seen[load] = SeenLoad(on=now.on, state=now.state)


def put_back(
    memory: OutageMemory,
    loads: Mapping[str, LoadInput],
    since_s: float,
    now_s: float,
) -> list[LoadCommand]:
    """Turn off again what came on by itself since the outage began at `since_s`."""
    commands: list[LoadCommand] = []
    for load, seen in memory.seen.items():
        now = loads.get(load)
        if now is None or now.on is None or seen.used:
            continue
        changed = now.changed_s is not None and now.changed_s > since_s - UNNOTICED_S
        defies = now.on and not seen.tries and at_once(now.changed_s, seen.told_s)
        if (changed and now.by_person) or (defies and seen.defied):
            memory.seen[load] = replace(seen, used=True)
        elif not now.on:
            if seen.tries:
                memory.seen[load] = replace(seen, tries=0)
        elif changed and not seen.on and load not in memory.loads:
            told_s = seen.told_s
            if seen.tries >= TRIES or (
                seen.tries and told_s is not None and now_s - told_s < OBEY_S
            ):
                continue
            memory.seen[load] = replace(
                seen,
                told_s=now_s,
                tries=seen.tries + 1,
                defied=defies or seen.defied,
            )
            commands.append(
                LoadCommand(load=load, action=LoadAction.PUT_BACK, state=seen.state)
            )
    return commands
