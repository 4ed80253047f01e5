"""How patient we are; tests are in more of a hurry."""

from dataclasses import dataclass

from homeassistant.util.hass_dict import HassKey

from ...const import DOMAIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Times in seconds.

    `watchdog_s` is how long the charger goes on without hearing from us. Each reading
    is a message as well and would keep it going for ever, so a charger whose power
    nobody has renewed for `renew_s` is no longer read: then it stops by itself. That is
    longer than the guard on a lost meter, so that a meter that comes back in time
    interrupts nothing.
    """

    poll_s: float = 5.0
    # From a command to what a reading shows of it.
    dead_time_s: float = 10.0
    answer_s: float = 5.0
    after_read_s: float = 0.05
    after_write_s: float = 2.5
    # A command has to be done with within the worker's patience, a park within that of
    # who leaves.
    apply_s: float = 24.0
    park_s: float = 5.0
    watchdog_s: float = 90.0
    renew_s: float = 180.0
    # Errors are usual for minutes after the charger has started.
    error_s: float = 300.0
    # Queues and locks that last this long are worth a notice.
    lasting_s: float = 300.0
    # After a command, state and power are those of before for a while.
    settle_s: float = 30.0
    # How long the engine is given to hear that somebody else has taken over.
    heard_s: float = 10.0
    # What is silent for longer than this may have been unplugged meanwhile.
    gap_s: float = 300.0
    # A doubtful state of charge is believed after this.
    soc_stable_s: float = 60.0
    # How long the car is given to tell its state of charge, and left alone afterwards.
    ask_s: float = 60.0
    ask_again_s: float = 900.0


PACE: HassKey[Pace] = HassKey(f"{DOMAIN}_quasar_pace")
