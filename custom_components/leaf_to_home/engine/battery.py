"""What a battery is and loses: capacity, limits, losses, wear."""

from dataclasses import dataclass
from enum import StrEnum

# (at, share of the highest power) in rising order.
type Table = tuple[tuple[float, float], ...]


class UnitKind(StrEnum):
    """The three kinds of battery that can carry household load."""

    VEHICLE = "vehicle"
    STATIONARY = "stationary"
    PORTABLE = "portable"


@dataclass(frozen=True, kw_only=True, slots=True)
class LossCurve:
    """Loss between AC and battery, one way, while running.

    loss_w(p) = constant_w + linear * p + quadratic_per_kw * p * p / 1000, with p in AC
    watts. The form is a least-squares fit to measured V2H stations; a fixed efficiency
    is its purely linear case.
    """

    constant_w: float = 0.0
    linear: float = 0.0
    quadratic_per_kw: float = 0.0

    def loss_w(self, power_w: float) -> float:
        """Return the loss in W at an AC power of `power_w` >= 0; none when idle."""
        if power_w <= 0.0:
            return 0.0
        return (
            self.constant_w
            + self.linear * power_w
            + self.quadratic_per_kw * power_w * power_w / 1000.0
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitSpec:
    """Hardware facts of one unit; nothing here changes at run time.

    `usable_kwh` is the capacity when new between 0 and 100 % of the reported state of
    charge. Powers are AC watts. `wear_per_kwh` is money per kWh that leaves the battery
    into the home. `reserve_percent` and `initial_soc_percent` are first values only.
    The tapers are shares of the highest power at a state of charge, above 0; without
    one it is the same at any.
    """

    kind: UnitKind
    usable_kwh: float
    soh_percent: float = 100.0
    min_soc_percent: float = 10.0
    max_soc_percent: float = 95.0
    reserve_percent: float = 30.0
    max_charge_w: float
    max_discharge_w: float
    min_power_w: float = 0.0
    min_import_w: float = 0.0
    standby_w: float = 0.0
    start_delay_s: float = 0.0
    ramp_w_per_s: float = 0.0
    soc_step_percent: float = 1.0
    initial_soc_percent: float = 50.0
    wear_per_kwh: float = 0.0
    charge_loss: LossCurve = LossCurve()
    discharge_loss: LossCurve = LossCurve()
    phases: int = 1
    charge_taper: Table = ()
    discharge_taper: Table = ()

    @property
    def capacity_kwh(self) -> float:
        """Return the capacity that is left, in kWh between 0 and 100 %."""
        return self.usable_kwh * self.soh_percent / 100.0

    @property
    def leaves(self) -> bool:
        """Return whether somebody may take it away, and wants it ready by then."""
        return self.kind is not UnitKind.STATIONARY

    def stored_w(self, power_w: float) -> float:
        """Return the rate at which stored energy changes, in W, at AC power `power_w`.

        Positive `power_w` goes into the home, so the result is negative then. Charging
        at a power below the curve's own loss stores nothing.
        """
        if power_w > 0.0:
            return -(power_w + self.discharge_loss.loss_w(power_w))
        if power_w < 0.0:
            return max(0.0, -power_w - self.charge_loss.loss_w(-power_w))
        return 0.0

    def discharge_w_for(self, drain_w: float) -> float:
        """Return the AC power into the home that drains the battery at `drain_w`."""
        return self._invert(self.discharge_loss, drain_w, 1.0)

    def charge_w_for(self, fill_w: float) -> float:
        """Return the AC power (positive) that fills the battery at `fill_w`."""
        return self._invert(self.charge_loss, fill_w, -1.0)

    @staticmethod
    def _invert(curve: LossCurve, battery_w: float, sign: float) -> float:
        """Solve p + sign * loss(p) = battery_w for p >= 0."""
        if battery_w <= 0.0:
            return 0.0
        a = sign * curve.quadratic_per_kw / 1000.0
        b = 1.0 + sign * curve.linear
        c = sign * curve.constant_w - battery_w
        if c >= 0.0:
            return 0.0
        if a == 0.0:
            return -c / b
        root = b * b - 4.0 * a * c
        if root < 0.0:
            # Past the top of the parabola more power stores less: the top is the best.
            return -b / (2.0 * a)
        return float(-2.0 * c / (b + root**0.5))

    def round_trip(self, charge_w: float, discharge_w: float) -> float:
        """Return the round-trip efficiency, 0 to 1, at the two AC powers (both > 0)."""
        fill = self.stored_w(-charge_w)
        drain = -self.stored_w(discharge_w)
        if fill <= 0.0 or drain <= 0.0:
            return 0.0
        return (fill / charge_w) * (discharge_w / drain)
