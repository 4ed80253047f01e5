"""How patient we are; tests are in more of a hurry."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Times in seconds.

    Devices have been seen to take 15 to 20 s for a single property, so an unanswered
    request is given `answer_s`. A frame can also get lost: it is sent once more, the
    very same, when a node that was quick so far is silent for `resend_s` to
    `resend_slow_s`.
    """

    answer_s: float = 22.0
    resend_s: float = 2.0
    resend_slow_s: float = 8.0
    # The rest of an answer that comes in several datagrams.
    rest_s: float = 0.5
    # An answer that a node known to be there may well never give.
    brief_s: float = 3.0
    # How long what is silent beside a battery is left alone.
    silent_s: float = 600.0
    # A command has to be done with within the worker's patience.
    apply_s: float = 27.0
    # What was read this short a time ago need not be read again before a write.
    fresh_s: float = 2.0
    # After a command, how soon its effect is looked at.
    follow_s: float = 2.0
    # A node that takes longer than this is left alone between readings.
    slow_node_s: float = 3.0
    fast_s: float = 5.0
    slow_s: float = 60.0
    # How long the search for nodes listens.
    search_s: float = 4.0
    # How often a node that is lost is looked for at another address.
    seek_s: float = 60.0
    # How long a foreign meter may hold up a reading.
    meter_wait_s: float = 1.0
    meter_age_s: float = 15.0
    # How often a node that says that it has started is learnt anew; who starts says so
    # several times, and others can say so in its name.
    anew_s: float = 30.0


PACE = Pace()
