"""Which loads go off in an outage, and how they come back.

Tiers are shed in the order they are listed and come back in the other one. A tier that
is shed holds its loads off; what is remembered of a load stands until it was seen on
again, or somebody has decided otherwise: nothing is shed without being known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .outage_memory import LoadMemory, OutageMemory, TierMemory, at_once
from .outage_model import (
    LoadAction,
    LoadCommand,
    LoadInput,
    Notice,
    NoticeCode,
    OutageSettings,
    ShedReason,
    Tier,
)

# After an overload the load comes down to this share of what the station bears.
RELIEVED_SHARE = 0.9
# Above this share there is no time to see which tier is enough.
GROSS_SHARE = 1.2
# So long a load that was told has to show that it obeyed, and a meter to see it.
SETTLE_S = 2.0
OBEY_S = 10.0
# Told this often in vain, people hear of it; from then on it is told more rarely.
TRIES = 3
RETRY_S = 600.0
# A tier comes back when there was room for it this long, with these distances.
ROOM_S = 600.0
ROOM_PERCENT = 3.0
ROOM_SHARE = 1.2
ROOM_H = 0.5
# A tier that overloaded the station this often stays off for the rest of the outage.
OVERLOADS = 2
OVERLOAD_SHOWN_S = 60.0

_SEVERITY = {
    ShedReason.TEST: 0,
    ShedReason.RUNTIME: 1,
    ShedReason.STATE_OF_CHARGE: 1,
    ShedReason.FLOOR: 2,
    ShedReason.OVERLOAD: 3,
    ShedReason.LEG_OVERLOAD: 3,
}
_OVERLOADS = frozenset({ShedReason.OVERLOAD, ShedReason.LEG_OVERLOAD})


@dataclass(frozen=True, kw_only=True, slots=True)
class Burden:
    """What those that carry bear, and what they have left; None is unknown.

    `legs_w` and `leg_limit_w` are of each leg. At the `floor` everything goes. In the
    `dark` nothing carries the house yet, and what is left is that of who will.
    """

    power_w: float | None = None
    limit_w: float | None = None
    legs_w: tuple[float | None, ...] = ()
    leg_limit_w: float | None = None
    soc_percent: float | None = None
    low_h: float | None = None
    gain_h: Mapping[str, float]
    endless: bool = False
    floor: bool = False
    played: bool = False
    dark: bool = False


def shed(
    memory: OutageMemory,
    settings: OutageSettings,
    loads: Mapping[str, LoadInput],
    burden: Burden,
    now_s: float,
) -> list[LoadCommand]:
    """Shed and hold what has to be off now."""
    tiers = {tier.key: tier for tier in settings.tiers}
    for tier in settings.tiers:
        reason = _due(tier, burden, settings)
        known = memory.tiers.get(tier.key)
        if reason is not None and (
            known is None or _SEVERITY[reason] > _SEVERITY[known.reason]
        ):
            memory.tiers[tier.key] = TierMemory(reason=reason, since_s=now_s)
    for reason, over in _overloads(burden):
        _relieve(memory, settings, loads, reason, over, now_s)
    _make_room(memory, tiers, loads, burden, settings, now_s)
    commands: list[LoadCommand] = []
    for tier in settings.tiers:
        known = memory.tiers.get(tier.key)
        if known is not None:
            for load in tier.loads:
                command = _hold_off(
                    memory, tier, known, load, loads.get(load), now_s, dark=burden.dark
                )
                if command is not None:
                    commands.append(command)
    return commands


def _due(tier: Tier, burden: Burden, settings: OutageSettings) -> ShedReason | None:
    """Return why the tier has to be off, but for an overload."""
    if burden.played:
        return ShedReason.TEST if settings.test_sheds else None
    if burden.floor:
        return ShedReason.FLOOR
    if (
        tier.soc_percent is not None
        and burden.soc_percent is not None
        and burden.soc_percent <= tier.soc_percent
    ):
        return ShedReason.STATE_OF_CHARGE
    if (
        tier.runtime_h is not None
        and burden.low_h is not None
        and burden.low_h <= tier.runtime_h
    ):
        return ShedReason.RUNTIME
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Over:
    """A limit that is exceeded: of the whole, or of one leg."""

    power_w: float
    limit_w: float
    leg: int | None = None

    def hangs_on(self, tier: Tier) -> bool:
        return self.leg is None or tier.leg in (None, self.leg)


def _overloads(burden: Burden) -> Iterator[tuple[ShedReason, _Over]]:
    power_w, limit_w = burden.power_w, burden.limit_w
    if power_w is not None and limit_w is not None and power_w > limit_w:
        yield ShedReason.OVERLOAD, _Over(power_w=power_w, limit_w=limit_w)
    if burden.leg_limit_w is None:
        return
    for leg, leg_w in enumerate(burden.legs_w):
        if leg_w is not None and leg_w > burden.leg_limit_w:
            over = _Over(power_w=leg_w, limit_w=burden.leg_limit_w, leg=leg)
            yield ShedReason.LEG_OVERLOAD, over


def _relieve(
    memory: OutageMemory,
    settings: OutageSettings,
    loads: Mapping[str, LoadInput],
    reason: ShedReason,
    over: _Over,
    now_s: float,
) -> None:
    """Shed tiers until what is left is borne, before the station lets go of it all."""
    if memory.overload_s is not None and memory.overload_s < now_s < (
        memory.overload_s + SETTLE_S
    ):
        return
    excess_w = over.power_w - RELIEVED_SHARE * over.limit_w
    gross = over.power_w > GROSS_SHARE * over.limit_w
    for tier in settings.tiers:
        on = [load for load in tier.loads if (it := loads.get(load)) and it.on]
        if not over.hangs_on(tier) or (tier.key in memory.tiers and not on):
            continue
        memory.overload_s = now_s
        if tier.key not in memory.tiers:
            memory.overloads[tier.key] = memory.overloads.get(tier.key, 0) + 1
        memory.tiers[tier.key] = TierMemory(reason=reason, since_s=now_s)
        powers_w = [loads[load].power_w for load in on]
        known_w = sum(power_w for power_w in powers_w if power_w is not None)
        excess_w -= known_w
        unsure = bool(on) and None in powers_w
        if excess_w <= 0.0 or (unsure and not gross):
            return


def _make_room(
    memory: OutageMemory,
    tiers: Mapping[str, Tier],
    loads: Mapping[str, LoadInput],
    burden: Burden,
    settings: OutageSettings,
    now_s: float,
) -> None:
    """Let a tier come back when there was room for it long enough; the last first."""
    for key in list(memory.tiers):
        if key not in tiers:
            del memory.tiers[key]
    for tier in reversed(settings.tiers):
        known = memory.tiers.get(tier.key)
        if known is None:
            continue
        if not _has_room(memory, tier, known, loads, burden):
            if known.room_s is not None:
                memory.tiers[tier.key] = replace(known, room_s=None)
        elif known.room_s is None:
            memory.tiers[tier.key] = replace(known, room_s=now_s)
        elif now_s - known.room_s >= ROOM_S:
            del memory.tiers[tier.key]
            # The next one waits to see what this one takes.
            return


def _has_room(
    memory: OutageMemory,
    tier: Tier,
    known: TierMemory,
    loads: Mapping[str, LoadInput],
    burden: Burden,
) -> bool:
    """Return whether the tier could be on again without being shed soon after."""
    if burden.floor or burden.played or known.reason is ShedReason.TEST:
        return not burden.floor and not burden.played
    if tier.soc_percent is not None and (
        burden.soc_percent is None
        or burden.soc_percent < tier.soc_percent + ROOM_PERCENT
    ):
        return False
    if tier.runtime_h is not None and not burden.endless:
        if burden.low_h is None:
            return False
        left_h = burden.low_h - burden.gain_h.get(tier.key, 0.0)
        if left_h < ROOM_SHARE * tier.runtime_h + ROOM_H:
            return False
    if known.reason not in _OVERLOADS:
        return True
    tier_w = tier_power_w(memory, tier)
    if memory.overloads.get(tier.key, 0) > OVERLOADS or tier_w is None:
        return False
    if burden.power_w is None or burden.limit_w is None:
        return False
    room = burden.power_w + tier_w <= RELIEVED_SHARE * burden.limit_w
    if burden.leg_limit_w is not None:
        room &= all(
            leg_w is not None and leg_w + tier_w <= RELIEVED_SHARE * burden.leg_limit_w
            for leg_w in burden.legs_w
        )
    return room


def tier_power_w(memory: OutageMemory, tier: Tier) -> float | None:
    """Return what the loads of a shed tier drew, None where that is not known."""
    total_w = 0.0
    for load in tier.loads:
        known = memory.loads.get(load)
        if known is None or known.kept is not None:
            continue
        if known.power_w is None:
            return None
        total_w += known.power_w
    return total_w


def _hold_off(
    memory: OutageMemory,
    tier: Tier,
    shed_: TierMemory,
    load: str,
    now: LoadInput | None,
    now_s: float,
    *,
    dark: bool,
) -> LoadCommand | None:
    """Turn a load of a shed tier off, unless somebody wants it on."""
    known = memory.loads.get(load)
    if now is None or now.on is None:
        return None
    if not now.on:
        if known is not None and known.kept is not None:
            # Who wanted it on has turned it off: there is nothing to bring back.
            del memory.loads[load]
        elif known is not None:
            memory.loads[load] = replace(
                known,
                off_s=known.off_s or now_s,
                tries=0,
                wanted=False,
            )
        return None
    severity = _SEVERITY[shed_.reason]
    overload = shed_.reason in _OVERLOADS
    if known is None:
        if _by_person(now, shed_.since_s) and not tier.strict:
            return None
        if not overload and not _on_long_enough(tier, now, now_s):
            return None
        memory.number += 1
        known = LoadMemory(
            tier=tier.key,
            number=memory.number,
            reason=shed_.reason,
            told_s=now_s,
            state=now.state,
            power_w=now.power_w,
            tries=0 if dark else 1,
        )
        return _tell_off(memory, load, known, shed_.reason)
    if dark:
        # Without power it may be unable to obey: it is told again when there is light.
        memory.loads[load] = replace(known, tries=0)
        return None
    if known.kept is not None and (
        severity <= _SEVERITY[known.kept] and shed_.since_s <= known.told_s
    ):
        return None
    # For a worse reason than before even what somebody wants goes off, once.
    worse = shed_.since_s > known.told_s
    defies = known.off_s is not None and at_once(now.changed_s, known.told_s)
    wanted = _by_person(now, known.told_s) or (defies and known.defied)
    if not worse and not tier.strict and wanted:
        memory.loads[load] = replace(known, kept=shed_.reason, told_s=now_s)
        return None
    waits_s = OBEY_S if known.tries < TRIES else RETRY_S
    if not worse and known.tries > 0 and now_s - known.told_s < waits_s:
        return None
    known = replace(
        known,
        tier=tier.key,
        reason=shed_.reason,
        told_s=now_s,
        off_s=None,
        tries=known.tries + 1,
        kept=None,
        defied=defies or known.defied,
        wanted=False,
    )
    return _tell_off(memory, load, known, shed_.reason)


def _tell_off(
    memory: OutageMemory, load: str, known: LoadMemory, reason: ShedReason
) -> LoadCommand:
    memory.loads[load] = known
    record = memory.record
    if record is not None and load not in record.shed and record.ended_s is None:
        memory.record = replace(record, shed=(*record.shed, load))
    return LoadCommand(
        load=load,
        action=LoadAction.SHED,
        tier=known.tier,
        state=known.state,
        reason=reason,
    )


def _by_person(now: LoadInput, since_s: float) -> bool:
    """Return whether somebody has changed it since."""
    return now.by_person and now.changed_s is not None and now.changed_s > since_s


def _on_long_enough(tier: Tier, now: LoadInput, now_s: float) -> bool:
    since_s = now.changed_s
    return since_s is None or not 0.0 <= now_s - since_s < tier.min_on_s


def restore(
    memory: OutageMemory,
    settings: OutageSettings,
    loads: Mapping[str, LoadInput],
    now_s: float,
) -> list[LoadCommand]:
    """Bring back what no tier holds off any more, one after the other."""
    commands: list[LoadCommand] = []
    back = [
        key for key, known in memory.loads.items() if known.tier not in memory.tiers
    ]
    for load in sorted(back, key=lambda key: -memory.loads[key].number):
        known, now = memory.loads[load], loads.get(load)
        if _is_back(known, now):
            del memory.loads[load]
            continue
        if now is not None and now.on is None:
            # Nothing is known of it: its turn comes when it speaks.
            continue
        waits_s = OBEY_S if known.tries < TRIES else RETRY_S
        if known.wanted and now_s - known.told_s < waits_s:
            continue
        if (
            memory.restored_s is not None
            and now_s - memory.restored_s < settings.stagger_s
        ):
            continue
        memory.restored_s = now_s
        memory.loads[load] = replace(
            known,
            wanted=True,
            told_s=now_s,
            tries=known.tries + 1 if known.wanted else 1,
        )
        if now is None:
            # Nobody looks at it any more, so that it is told once.
            del memory.loads[load]
        commands.append(
            LoadCommand(
                load=load,
                action=LoadAction.RESTORE,
                tier=known.tier,
                state=known.state,
            )
        )
    return commands


def _is_back(known: LoadMemory, now: LoadInput | None) -> bool:
    """Return whether a load needs nothing more: it is on, or somebody wants it so."""
    if known.kept is not None:
        return True
    if now is None or now.on is None:
        return False
    if now.on:
        return known.wanted or now.by_person or now.state == known.state
    return known.off_s is not None and _by_person(now, known.off_s)


def notices(memory: OutageMemory, burden: Burden | None, now_s: float) -> list[Notice]:
    """Return what people have to know of loads, for as long as it is so."""
    result: list[Notice] = []
    held = {key: known for key, known in memory.loads.items() if known.kept is None}
    if held:
        result.append(
            Notice(code=NoticeCode.LOADS_SHED, values={"loads": float(len(held))})
        )
    result += [
        Notice(code=NoticeCode.LOAD_REFUSES, subject=load, values={"tier": known.tier})
        for load, known in held.items()
        if known.tries >= TRIES
    ]
    if burden is None:
        return result
    for _, over in _overloads(burden):
        values = {"power_w": over.power_w, "limit_w": over.limit_w}
        subject = None if over.leg is None else str(over.leg)
        result.append(Notice(code=NoticeCode.OVERLOAD, subject=subject, values=values))
        return result
    if memory.overload_s is not None and (
        0.0 <= now_s - memory.overload_s < OVERLOAD_SHOWN_S
    ):
        result.append(Notice(code=NoticeCode.OVERLOAD))
    return result
