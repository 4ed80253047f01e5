"""Runs EMHASS's own optimiser in its own Python: one JSON object a line each way.

The first line sets it up: `config` holds settings by the names of EMHASS's own
configuration, on top of its defaults. Each line after that is one call of the naive
MPC with lists of one value a step: `load_w`, `solar_w`, `import_price`, `export_price`,
`soc` and `soc_final` between 0 and 1, and `peak_w`, the import that a capacity tariff
has counted already. The answer has the battery's planned
`power_w`, positive into the home, and `status`, which begins with "Optimal" where there
is a plan. What cannot be answered is answered with `error`.

This file runs on Python 3.11 as well, and imports nothing of this project.
"""

import asyncio
from importlib.metadata import version
import json
import logging
import os
from pathlib import Path
import sys
from typing import Any

import emhass
from emhass import utils
from emhass.optimization import Optimization
import pandas as pd

DATA = Path(emhass.__file__).parent / "data"
IMPORT_PRICE, EXPORT_PRICE = "unit_load_cost", "unit_prod_price"
LOGGER = logging.getLogger("emhass")


class Peer:
    """One configured EMHASS; the problem of each horizon is built once and kept."""

    def __init__(self, config: dict[str, Any]) -> None:
        paths = {
            "data_path": DATA,
            "root_path": DATA.parent,
            "defaults_path": DATA / "config_defaults.json",
            "associations_path": DATA / "associations.csv",
        }
        asked = asyncio.run(self._params(paths, config))
        self._paths = paths
        self._conf = utils.get_yaml_parse(asked, LOGGER)
        self._problems: dict[int, Optimization] = {}

    @staticmethod
    async def _params(paths: dict[str, Path], config: dict[str, Any]) -> dict[str, Any]:
        """Return EMHASS's own defaults with our settings, in its own sections."""
        defaults = await utils.build_config(
            paths, LOGGER, str(paths["defaults_path"]), None, None
        )
        unknown = sorted(config.keys() - defaults.keys())
        if unknown:
            raise ValueError(f"not settings of this EMHASS: {', '.join(unknown)}")
        _, secrets = await utils.build_secrets(paths, LOGGER, no_response=True)
        secrets["time_zone"] = "UTC"
        params: dict[str, Any] = await utils.build_params(
            paths, secrets, {**defaults, **config}, LOGGER
        )
        return params

    def plan(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the plan of one call."""
        hass, optim, plant = self._conf
        steps = len(asked["load_w"])
        index = pd.date_range(
            "2026-01-01", periods=steps, freq=hass["optimization_time_step"], tz="UTC"
        )
        if steps not in self._problems:
            self._problems[steps] = Optimization(
                hass,
                optim,
                plant,
                IMPORT_PRICE,
                EXPORT_PRICE,
                optim["costfun"],
                self._paths,
                LOGGER,
                num_timesteps=steps,
            )
        prices = {
            IMPORT_PRICE: asked["import_price"],
            EXPORT_PRICE: asked["export_price"],
        }
        result = self._problems[steps].perform_naive_mpc_optim(
            pd.DataFrame(prices, index=index),
            pd.Series(asked["solar_w"], index=index),
            pd.Series(asked["load_w"], index=index),
            steps,
            soc_init=asked["soc"],
            soc_final=asked["soc_final"],
            current_period_peak=asked["peak_w"],
        )
        powers = result.get("P_batt", ())
        return {
            "status": str(result["optim_status"].iloc[0]),
            "power_w": [float(power_w) for power_w in powers],
        }


def main() -> None:
    """Answer line by line until the input ends."""
    # Solvers print to the standard output; only answers may.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        LOGGER.setLevel(logging.CRITICAL)
        peer: Peer | None = None
        for line in sys.stdin:
            asked = json.loads(line)
            answer: dict[str, Any]
            try:
                if peer is None:
                    peer = Peer(asked["config"])
                    answer = {"version": version("emhass")}
                else:
                    answer = peer.plan(asked)
            except Exception as err:  # noqa: BLE001 the other side has to hear of any
                answer = {"error": f"{type(err).__name__}: {err}"}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
