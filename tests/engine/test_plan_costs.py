"""What a planned step costs is the bill of the grid, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from custom_components.leaf_to_home.engine.battery import UnitSpec
from custom_components.leaf_to_home.engine.model import IntentKind
from custom_components.leaf_to_home.engine.plan import Task
from custom_components.leaf_to_home.engine.planner import make_plan
from custom_components.leaf_to_home.engine.planning import plan_together
from tests.engine.test_planner import CHEAP, DEAR, LINEAR, stretch, task_of

HOUR_S = 3600.0
# It neither charges nor discharges: what is left is the house.
LAME = replace(LINEAR, standby_w=0.0)


def idle(task: Task) -> Task:
    return replace(task, charge_w=0.0, discharge_w=0.0)


def test_a_house_pays_for_what_it_draws() -> None:
    task = idle(task_of(stretch([CHEAP, DEAR], [1000.0, 2000.0]), LAME))
    steps = make_plan(task, 0.0).steps[:2]
    assert [step.cost for step in steps] == pytest.approx([0.10, 0.80])


def test_what_may_be_surplus_earns_what_export_earns() -> None:
    draws = [[-1000.0, 1000.0]]
    task = idle(task_of(stretch([DEAR], draws, export_price=0.05), LAME))
    (step, *_) = make_plan(task, 0.0).steps
    assert step.grid_w == pytest.approx(0.0)
    assert step.cost == pytest.approx(0.5 * 0.40 - 0.5 * 0.05)


def test_a_limit_that_is_missed_is_no_money() -> None:
    task = idle(task_of(stretch([DEAR], [3000.0]), LAME))
    (free, *_) = make_plan(task, 0.0).steps
    for limited in (
        replace(task, soft_limit_w=1000.0),
        replace(task, soft_limit_w=1000.0, peak_price=4.0),
    ):
        plan = make_plan(limited, 0.0)
        assert plan.steps[0].cost == pytest.approx(free.cost)
        # The program weighs it all the same.
        assert plan.expected_cost > make_plan(task, 0.0).expected_cost


def test_covering_pays_the_rest_and_no_wear() -> None:
    worn = replace(LINEAR, standby_w=0.0, wear_per_kwh=0.05)
    task = replace(
        task_of(stretch([DEAR], [2000.0]), worn), aim_import_w=100.0, stored_kwh=30.0
    )
    (step, *_) = make_plan(task, 0.0).steps
    assert step.intent.kind is IntentKind.COVER
    assert step.unit_w == pytest.approx(1900.0)
    assert step.cost == pytest.approx(0.1 * DEAR)


def test_of_several_units_the_last_plan_has_the_bill_of_the_house() -> None:
    small = replace(LINEAR, usable_kwh=10.0, max_discharge_w=1500.0, standby_w=0.0)
    near = stretch([DEAR], [5000.0])

    def task(spec: UnitSpec) -> Task:
        kwh = 0.9 * spec.capacity_kwh
        return replace(
            task_of(near, spec, kwh), charge_w=0.0, discharge_w=spec.max_discharge_w
        )

    big = replace(LINEAR, max_discharge_w=3000.0, standby_w=0.0)
    plans = plan_together({"small": task(small), "big": task(big)}, 0.0)
    assert list(plans)[-1] == "small"
    last = plans["small"].steps[0]
    covered_w = sum(plan.steps[0].unit_w for plan in plans.values())
    assert covered_w == pytest.approx(4500.0)
    assert last.grid_w == pytest.approx(500.0)
    assert last.cost == pytest.approx(0.5 * DEAR)
    assert plans["small"].cost(0.0, HOUR_S) == pytest.approx(0.5 * DEAR)


def test_costs_of_futures_are_their_mean() -> None:
    task = idle(task_of(stretch([CHEAP], [0.0]), LAME))
    far = replace(
        task.far,
        import_price=np.array([[0.1] * 24, [0.3] * 24]),
        export_price=np.full((2, 24), 0.05),
        draw_w=np.full((24, 1), 1000.0),
        weights=np.ones(1),
    )
    plan = make_plan(replace(task, far=far), 0.0)
    assert plan.steps[-1].cost == pytest.approx(0.2)
