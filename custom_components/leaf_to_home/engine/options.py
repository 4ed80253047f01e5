"""What a step may choose, and what each choice comes to under each draw of the house.

The choices of a step share a few columns: holding, charging at a power, and following
the house under each quantile of its draw. An option is a mix of columns, so that the
program looks each column up only once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .battery import LossCurve, UnitSpec
from .model import IntentKind
from .plan import Floats, Stretch, Task

type Mask = NDArray[np.bool_]

# Shares of the charging power that a plan may choose from, and of the covering power.
CHARGE_SHARES = (1.0, 0.75, 0.5, 0.25)
COVER_SHARES = (1.0, 0.5)


@dataclass(frozen=True, slots=True)
class Option:
    """One intent that a step may choose."""

    kind: IntentKind
    power_w: float
    absorb: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a stretch (C of them) and the options (A) made of them.

    `unit_w` and `change_kwh` are T x C, unbounded by the state of charge; `extra` is
    the cost beyond doing nothing, K x T x C; `nothing` the cost of that, K x T. `mix`
    says how much of each column an option is, T x C x A; `runs` (T x C) whether it
    runs, `guards` whether it carries what is above the limit. `follows` are the columns
    that follow the house, `holds` those that hold; `made_of`: the columns of each
    option, and under which quantiles they count.
    """

    options: tuple[Option, ...]
    unit_w: Floats
    change_kwh: Floats
    extra: Floats
    nothing: Floats
    mix: Floats
    runs: Mask
    guards: Mask
    follows: slice
    holds: slice
    made_of: tuple[tuple[tuple[slice, Mask], ...], ...]

    def by_quantile(
        self, steps: NDArray[np.intp], option: int, taken: Floats
    ) -> Floats:
        """Return the unit's power in W under each quantile of the steps' draw.

        `taken` is how much of each column is carried out, of an option's mix.
        """
        power: Floats | None = None
        for part, where in self.made_of[option]:
            mix = self.mix[steps, part, option]
            share = np.divide(
                taken[:, part], mix, out=np.zeros_like(mix), where=mix > 0.0
            )
            each = where[steps] * self.unit_w[steps, part] * share
            power = each if power is None else power + each
        assert power is not None, "an option is made of columns"
        return power


def columns(
    task: Task, stretch: Stretch, over_price: float, *, coarse: bool = False
) -> Columns:
    """Evaluate what each step of `stretch` may choose; `coarse` chooses from fewer.

    `over_price` is what a kWh above a soft limit costs where no capacity tariff says.
    """
    return _Builder(task, stretch, over_price, coarse=coarse).build()


class _Builder:
    def __init__(
        self, task: Task, stretch: Stretch, over_price: float, *, coarse: bool
    ) -> None:
        self.task = task
        self.stretch = stretch
        self.over_price = over_price
        self.coarse = coarse
        self.draw = stretch.draw_w
        self.hours = np.diff(stretch.starts_s) / 3600.0
        self.main_w = np.inf if task.main_limit_w is None else task.main_limit_w
        soft_w = np.inf if task.soft_limit_w is None else task.soft_limit_w
        self.limit_w = min(self.main_w, soft_w)
        self.least_w = max(task.spec.min_power_w, 1.0)
        self.nothing = self._cost(np.zeros_like(self.draw))
        self.parts: list[tuple[Floats, Floats, Floats, Mask, Mask]] = []
        self.options: list[Option] = []
        self.mixes: list[list[tuple[slice, Mask]]] = []

    def build(self) -> Columns:
        task, draw = self.task, self.draw
        shape = draw.shape
        everywhere = np.ones(shape, dtype=bool)
        hold = self._column(np.full(shape, -task.idle_charge_w))
        if task.idle_charge_w < self.least_w:
            self._offer(Option(IntentKind.HOLD, 0.0), [(hold, everywhere)])
        charges = task.charge_w >= self.least_w
        surplus = charges and bool(draw.min(initial=0.0) < 0.0)
        covers = task.discharge_w >= self.least_w
        unit = np.zeros(shape)
        if covers:
            unit = self._covered(task.discharge_w)
        if surplus:
            unit = unit - self._absorbed()
        follow = self._column(unit, whole=True)
        above = draw > 0.0
        if surplus:
            self._offer(
                Option(IntentKind.ABSORB, task.charge_w),
                [(follow, ~above), (hold, above)],
            )
        if covers:
            self._offer(
                Option(IntentKind.COVER, task.discharge_w),
                [(follow, above), (hold, ~above)],
            )
        if covers and surplus:
            self._offer(
                Option(IntentKind.COVER, task.discharge_w, absorb=True),
                [(follow, everywhere)],
            )
        self._more_covers(above, follow, hold)
        # Of two that cost the same the one that follows the house comes first.
        self._charges(self.limit_w)
        if task.exceeds:
            # What it costs is less only than what a departure would lack.
            self._charges(self.main_w)
        return self._joined(follow, hold)

    def _charges(self, limit_w: float) -> None:
        """Offer charging at several powers, within a limit of the import."""
        task, shape = self.task, self.draw.shape
        shares = CHARGE_SHARES[:: 2 if self.coarse else 1]
        for share in shares[:1] if task.switched else shares:
            power_w = task.charge_w * share
            if power_w >= self.least_w:
                part = self._column(np.full(shape, -power_w), limit_w=limit_w)
                option = Option(IntentKind.CHARGE, power_w)
                self._offer(option, [(part, np.ones(shape, dtype=bool))])

    def _more_covers(self, above: Mask, follow: slice, hold: slice) -> None:
        """Offer covering at less than full power, and exporting, where they differ."""
        task, draw = self.task, self.draw
        if not self.coarse:
            for share in COVER_SHARES[1:]:
                power_w = task.discharge_w * share
                if power_w >= self.least_w and draw.max(initial=0.0) > power_w:
                    part = self._column(self._covered(power_w), whole=True)
                    self._offer(
                        Option(IntentKind.COVER, power_w),
                        [(part, above), (hold, ~above)],
                    )
        if task.export_w > 0.0 and task.discharge_w >= self.least_w:
            export_w = np.full(draw.shape, task.export_w)
            if self.stretch.exported_w is not None:
                export_w = np.maximum(export_w - self.stretch.exported_w, 0.0)
            unit = np.minimum(np.maximum(draw, 0.0) + export_w, task.discharge_w)
            part = self._column(self._running(unit), whole=True)
            may = np.ones(draw.shape, dtype=bool)
            if self.stretch.sunny is not None:
                may &= ~self.stretch.sunny[:, None]
            # Where it may not, it is covering, which comes first.
            self._offer(
                Option(IntentKind.EXPORT, task.discharge_w),
                [(part, may), (follow, above & ~may), (hold, ~above & ~may)],
            )

    def _covered(self, power_w: float) -> Floats:
        draw_w = self.draw - self.task.aim_import_w
        if self.stretch.charged_w is not None:
            # The loop gives nothing to a unit that charges.
            draw_w = draw_w - self.stretch.charged_w
        return self._running(np.minimum(draw_w, power_w))

    def _absorbed(self) -> Floats:
        surplus = -self.draw - self.task.aim_export_w
        return self._running(np.minimum(surplus, self.task.charge_w))

    def _running(self, power: Floats) -> Floats:
        return np.where(power >= self.least_w, power, 0.0)

    def _column(
        self, unit: Floats, *, whole: bool = False, limit_w: float | None = None
    ) -> slice:
        """Add columns for `unit` (T x Q): one for each quantile, or one for all.

        One is enough where the unit does the same under every draw. All are kept below
        the limits, or below `limit_w`.
        """
        weights = self.stretch.weights
        if limit_w is None:
            limit_w = self.limit_w
        if limit_w < np.inf:
            unit = self._guarded(unit, limit_w)
        whole |= self.limit_w < np.inf
        extra = self._cost(unit) - self.nothing
        runs = unit != 0.0
        change = _stored(self.task.spec, unit) * self.hours[:, None] / 1e3
        guards = self.draw > limit_w
        begin = sum(part[0].shape[1] for part in self.parts)
        if not whole:
            unit, change, runs = unit[:, :1], change[:, :1], runs[:, :1]
            guards = guards[:, :1]
            extra = (extra @ weights)[:, :, None]
        self.parts.append((unit, change, extra, runs, guards))
        return slice(begin, begin + unit.shape[1])

    def _guarded(self, unit: Floats, limit_w: float) -> Floats:
        """Keep the import below a limit: less charge, or carrying what is above."""
        least = self.draw - limit_w
        carried = np.minimum(np.maximum(least, self.least_w), self.task.discharge_w)
        room = np.where(-least >= self.least_w, least, 0.0)
        return np.where(least > 0.0, np.maximum(unit, carried), np.maximum(unit, room))

    def _cost(self, unit: Floats) -> Floats:
        """Return the cost of each step and quantile, K x T x Q."""
        task, stretch = self.task, self.stretch
        spec = task.spec
        grid = self.draw - unit + np.where(unit == 0.0, spec.standby_w, 0.0)
        kwh = grid * self.hours[:, None] / 1e3
        price = np.where(
            kwh > 0.0,
            stretch.import_price[:, :, None],
            stretch.export_price[:, :, None],
        )
        cost = kwh * price
        cost += np.maximum(unit, 0.0) * self.hours[:, None] / 1e3 * spec.wear_per_kwh
        if task.soft_limit_w is not None:
            over_kw = np.maximum(0.0, grid - task.soft_limit_w) / 1e3
            if task.peak_price is None:
                cost += over_kw * self.hours[:, None] * self.over_price
            else:
                cost += over_kw * task.peak_price
        result: Floats = cost
        return result

    def _offer(self, option: Option, made_of: list[tuple[slice, Mask]]) -> None:
        self.options.append(option)
        self.mixes.append(made_of)

    def _joined(self, follow: slice, hold: slice) -> Columns:
        unit, change, extra, runs, guards = (
            np.concatenate([part[i] for part in self.parts], axis=-1) for i in range(5)
        )
        mix = np.zeros((*unit.shape, len(self.options)))
        for option, made_of in enumerate(self.mixes):
            for part, where in made_of:
                share = where * self.stretch.weights
                if part.stop - part.start == 1:
                    share = share.sum(axis=1, keepdims=True)
                mix[:, part, option] += share
        return Columns(
            options=tuple(self.options),
            unit_w=unit,
            change_kwh=change,
            extra=extra,
            nothing=self.nothing @ self.stretch.weights,
            mix=mix,
            runs=runs,
            guards=guards,
            follows=follow,
            holds=hold,
            made_of=tuple(map(tuple, self.mixes)),
        )


def _stored(spec: UnitSpec, unit_w: Floats) -> Floats:
    """Return the change of the stored energy in W for each AC power."""
    out = np.maximum(unit_w, 0.0)
    into = np.maximum(-unit_w, 0.0)
    drained = out + _loss(spec.discharge_loss, out)
    filled = np.maximum(0.0, into - _loss(spec.charge_loss, into))
    result: Floats = filled - drained
    return result


def _loss(curve: LossCurve, power_w: Floats) -> Floats:
    loss = (
        curve.constant_w
        + curve.linear * power_w
        + curve.quadratic_per_kw * power_w * power_w / 1000.0
    )
    return np.where(power_w > 0.0, loss, 0.0)
