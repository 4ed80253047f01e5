"""How much import a capacity tariff is worth: the level that a month's peak may reach.

A peak is paid for once, however often it is reached, so the program cannot weigh it
step by step. It is solved for a few levels instead: below one, import costs nothing
more, and the level itself costs what the tariff asks for it. What it all comes to is
convex in the level where nothing is uncertain, and a golden section finds the least.
"""

from collections.abc import Callable
from dataclasses import replace

from .plan import Task
from .program import Program

GOLDEN = (5.0**0.5 - 1.0) / 2.0
# A level this much higher tells whether rising pays at all.
TRIED_W = 100.0
SECTIONS = 11


def at_best_level(task: Task) -> Task:
    """Return the task with the soft limit at the level that costs least, W.

    A task without a peak price, or with no draw above its limit, stays as it is. No
    level is above the main limit or `most_level_w`.
    """
    low_w, price = task.soft_limit_w, task.peak_price
    if low_w is None or price is None:
        return task
    most_w = max(float(part.draw_w.max()) for part in (task.near, task.far))
    tried_w = TRIED_W
    if task.asked:
        # What a departure needs is met before any saving; less than its least power a
        # unit does not charge.
        most_w += task.charge_w
        tried_w += task.spec.min_power_w
    for bound_w in (task.main_limit_w, task.most_level_w):
        if bound_w is not None:
            most_w = min(most_w, bound_w)
    if most_w <= low_w:
        return task
    price *= task.peak_share

    def cost(level_w: float) -> float:
        program = Program(replace(task, soft_limit_w=level_w))
        near, _ = program.solve()
        # A level that is worth paying for is reached as often as it is counted.
        counted_w = sum(max(peak_w, level_w) for peak_w in task.peaks_w)
        return program.worth(near) + price * counted_w / 1e3

    if cost(low_w) <= cost(low_w + tried_w):
        return task
    return replace(task, soft_limit_w=_least(cost, low_w, most_w))


def _least(cost: Callable[[float], float], low: float, high: float) -> float:
    """Return where a convex function is least, by golden section."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    left_cost, right_cost = cost(left), cost(right)
    for _ in range(SECTIONS):
        if left_cost <= right_cost:
            high, right, right_cost = right, left, left_cost
            left = high - GOLDEN * (high - low)
            left_cost = cost(left)
        else:
            low, left, left_cost = left, right, right_cost
            right = low + GOLDEN * (high - low)
            right_cost = cost(right)
    return left if left_cost <= right_cost else right
