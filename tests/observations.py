"""Markets of known parameters and what would be observed of them, for tests of calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from market.calibrate.datafile import parse_data
from market.calibrate.moments import OBSERVABLES, Today, moment, today_at
from market.calibrate.observed import Data
from market.calibrate.parameters import Parameters
from market.regimes import REGIMES, solve_lanes

MARKET = [
    *("price", "quantity", "margin", "diversion", "security_spending", "sharing"),
    *("leak_churn", "saving_share", "leak_switch"),
]
"""What may usually be observed."""
EVERYTHING = [*MARKET, "stolen_share", "partner_gain"]


def parameters(**values: Any) -> Parameters:
    """Parameters of the market `asym`, or other values of some: a number, or one per firm."""
    asym: dict[str, Any] = {
        "own_slope": [1.6, 1.2],
        "cross_slope": 0.7,
        "rivalry": 0.2,
        "demand_spillover": 0.5,
        "leakage_own": 1.0,
        "leak_switch": 0.3,
        "leakage_interaction_share": 0.15,
        "cost_scale": 14.0,
        "max_saving": 0.4,
        "cost_spillover": 0.6,
        "net_intercept": [24.0, 15.0],
        "margin": [0.7641973684, 0.7565584853],
    }
    return Parameters(**{k: np.array([v], float, ndmin=2) for k, v in (asym | values).items()})


def today(truth: Parameters) -> Today | None:
    """Today's market at these parameters; None where there is no inner equilibrium."""
    found = solve_lanes(truth.market(1.0), REGIMES["nash"], 1)
    return today_at(truth, 1.0, found.levels) if found.status[0] == "converged" else None


def observed(
    at: Today, kinds: Sequence[str], noise: float = 0.0, draw: np.random.Generator | None = None
) -> dict[str, Any]:
    """The tree of a data file with these observations of a market, drawn with noise if asked."""
    firms: list[dict[str, float]] = [{}, {}]
    common: dict[str, float] = {}
    for kind in kinds:
        for firm in (0, 1):
            value = float(moment(at, kind, firm)[0])
            if draw is not None:
                value *= float(np.exp(noise * draw.normal()))
            if OBSERVABLES[kind].per_firm:
                firms[firm][kind] = value
            else:
                common[kind] = value
    return {
        "firms": firms,
        "common": common,
        "reference_investment": 1.0,
        "noise": {"default": noise or 0.05},
    }


def data(at: Today, kinds: Sequence[str] = MARKET, **blocks: Any) -> Data:
    """The observations of a market; `blocks` are further blocks of the data file."""
    return parse_data(observed(at, kinds) | blocks)


def priors_at(truth: Parameters, names: Sequence[str], log_sd: float = 0.5) -> Mapping[str, Any]:
    """Priors with their medians at the truth."""
    return {name: {"median": float(getattr(truth, name)[0, 0]), "log_sd": log_sd} for name in names}
