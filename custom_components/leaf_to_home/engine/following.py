"""Whether the units follow a plan, and what it wants of them now."""

from collections.abc import Mapping
from dataclasses import replace

from .basis import Basis, Change, basis_of, change
from .model import Inputs
from .plan import Plan
from .state import HomeState

# A plan that could not be renewed for this long leaves the rule in charge.
PLAN_MAX_AGE_S = 1800.0
# A number that the user changed, and a changed price, makes a new plan at once. For so
# long the units go on meanwhile, within their new limits: the rule may want something
# else, and a stop for the blink of an eye costs a start, which then has to wait.
GRACE_S = 3.0


class Following:
    """Plans that were made together, and whether they are still followed.

    Once something else than a number has changed they never are again.
    """

    def __init__(
        self, plans: Mapping[str, Plan], made_for: Basis, *, current: bool = True
    ) -> None:
        self.plans = plans
        self.made_for = made_for
        self.current = current
        self.made_s = min((plan.made_s for plan in plans.values()), default=0.0)
        self._outdated_s: float | None = None

    def young(self, now_s: float) -> bool:
        """Return whether they are of now: neither old nor of the future."""
        return 0.0 <= now_s - self.made_s <= PLAN_MAX_AGE_S

    def wanted(self, state: HomeState, inputs: Inputs, now_s: float) -> Inputs:
        """Return the inputs with what the plans want now, where they hold."""
        self.current = self.current and self._holds(state, inputs, now_s)
        if not self.current or not self.young(now_s):
            return inputs
        units = dict(inputs.units)
        for key, plan in self.plans.items():
            units[key] = replace(
                units[key],
                plan=plan.intent(now_s),
                plan_next=plan.next_action(now_s),
                plan_level_w=plan.import_level_w,
                plan_vehicle=self.made_for.units[key].vehicle,
            )
        return replace(inputs, units=units)

    def _holds(self, state: HomeState, inputs: Inputs, now_s: float) -> bool:
        now = basis_of(state, inputs, now_s, self.made_for.contract)
        match change(self.made_for, now, now_s):
            case Change.VOID:
                return False
            case Change.SETTINGS | Change.PRICES:
                if self._outdated_s is None:
                    self._outdated_s = now_s
                return 0.0 <= now_s - self._outdated_s <= GRACE_S
            case _:
                return True
