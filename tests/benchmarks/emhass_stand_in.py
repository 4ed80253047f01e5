"""Speaks the worker's protocol where EMHASS itself, 800 MB of it, is not installed.

Run as a script by the tests. It charges while the price is the lowest of the horizon
and discharges while it is the highest; its argument makes it fail in a chosen way.
"""

import json
import sys
from typing import Any


def answer(asked: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    prices = asked["import_price"]
    powers = []
    for price in prices:
        if price == min(prices):
            powers.append(-config["battery_charge_power_max"])
        else:
            powers.append(1000.0 if price == max(prices) else 0.0)
    return {"status": "Optimal", "power_w": powers}


def main(misbehaviour: str) -> None:
    config: dict[str, Any] | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if config is None:
            config = asked["config"]
            told: dict[str, Any] = {"version": "stand-in"}
        elif misbehaviour == "infeasible":
            told = {"status": "Infeasible", "power_w": []}
        elif misbehaviour == "error":
            told = {"error": "ValueError: no"}
        elif misbehaviour == "end":
            sys.exit(3)
        else:
            told = answer(asked, config)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
