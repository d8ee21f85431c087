"""The parameters that are fitted, in logarithms, and the market they make.

Observed prices carry unit costs; a market with constant unit costs is one without at net prices.
The fit therefore runs in net prices: intercepts are net of what unit costs take, a_net = a - D F,
and the margin as a share of price, mu_i = m_i / p_i, stands for the unit cost F_i = m_i (1 / mu_i -
1). Leakage to the rival and interaction are shares of own leakage, so that phi1 > phi2 + phi3 is a
sum below one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from market.calibrate.observed import Data, Prior
from market.model.case import Array, Case
from market.model.demand import apply, slope_matrix
from market.model.outcome import Accounts


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Values of all parameters, each (L, 1) or (L, 2) over L lanes, in the order of the fit."""

    own_slope: Array
    """b1."""
    cross_slope: Array
    """b2."""
    rivalry: Array
    """alpha."""
    demand_spillover: Array
    """lambda_d."""
    leakage_own: Array
    """phi1."""
    leak_switch: Array
    """phi2 / phi1."""
    leakage_interaction_share: Array
    """phi3 / phi1."""
    cost_scale: Array
    """k."""
    max_saving: Array
    """gamma."""
    cost_spillover: Array
    """lambda_c at t0."""
    net_intercept: Array
    """a - D F, (L, 2)."""
    margin: Array
    """mu, (L, 2): 1 where a unit costs nothing."""

    def market(self, reference: float) -> Case:
        """The market in net prices; `reference` is t0."""
        return Case(
            intercept=self.net_intercept,
            own_slope=self.own_slope,
            cross_slope=self.cross_slope,
            rivalry=self.rivalry,
            demand_spillover=self.demand_spillover,
            leakage_own=self.leakage_own,
            leakage_cross=self.leak_switch * self.leakage_own,
            leakage_interaction=self.leakage_interaction_share * self.leakage_own,
            cost_scale=self.cost_scale,
            max_saving=self.max_saving,
            cost_spillover=self.cost_spillover,
            reference_investment=np.full((1, 1), reference),
            investment_cap=np.full((1, 1), np.inf),
        )


NAMES = tuple(one.name for one in fields(Parameters))
"""The parameters in the order of the fit."""
BOTH = ("net_intercept", "margin")
"""Of these each firm always has its own."""
WORDS: dict[str, str] = {
    "own_slope": "the own slope",
    "cross_slope": "the cross slope",
    "rivalry": "the rivalry in investment",
    "demand_spillover": "the demand spillover",
    "leakage_own": "own leakage",
    "leak_switch": "the share of leaked customers who go to the other",
    "leakage_interaction_share": "the interaction of leaks, as a share of own leakage",
    "cost_scale": "the cost scale",
    "max_saving": "the largest saving",
    "cost_spillover": "the cost spillover",
    "net_intercept": "the intercept net of unit costs",
    "margin": "the margin",
}
ALMOST = 1 - 1e-9
LARGEST: dict[str, float] = {
    "rivalry": ALMOST,
    "leak_switch": ALMOST,
    "leakage_interaction_share": ALMOST,
    "max_saving": ALMOST,
    "cost_spillover": 1.0,
    "margin": 1.0,
    # Beyond 1 is a verdict on the data: the fit may go there to find out.
    "demand_spillover": 1e3,
}
"""Largest admissible values; the others have none."""

USUAL_PRIORS: dict[str, Prior] = {
    "rivalry": Prior(median=0.2, log_sd=0.5),
    "leakage_own": Prior(median=0.08, log_sd=0.5),
    "leak_switch": Prior(median=0.3, log_sd=0.5),
    "leakage_interaction_share": Prior(median=0.15, log_sd=0.5),
    "max_saving": Prior(median=0.3, log_sd=0.5),
    "cost_spillover": Prior(median=0.5, log_sd=0.5),
}
"""What is believed where a file neither observes nor assumes anything; own leakage as a share of
the firms' mean quantity, the cost spillover at a reference investment as large as today's."""
PINNED_BY: dict[str, str] = {
    "rivalry": "stolen_share",
    "leakage_own": "leak_churn",
    "leak_switch": "leak_switch",
    "cost_spillover": "saving_share",
}
"""The observation that makes such a prior needless."""


def priors_of(data: Data) -> dict[str, Prior]:
    """What is believed of each parameter that has a prior: the file's own, and the usual one where
    nothing observed pins the parameter."""
    out: dict[str, Prior] = {}
    mean = float(np.exp(np.mean(np.log(data.pair("quantity")))))
    for name in NAMES:
        if name in data.priors:
            out[name] = data.priors[name]
        elif name in USUAL_PRIORS and not data.has(PINNED_BY.get(name, "nothing")):
            usual = USUAL_PRIORS[name]
            scale = mean if name == "leakage_own" else 1.0
            out[name] = Prior(median=usual.median * scale, log_sd=usual.log_sd)
    return out


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One number of the fit."""

    name: str
    firm: int | None
    """0 or 1; None of what is common to both."""

    @property
    def key(self) -> str:
        """What it is called: `own_slope[0]`, `rivalry`."""
        return self.name if self.firm is None else f"{self.name}[{self.firm}]"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which numbers are free, and how a vector of their logarithms becomes parameters."""

    slots: tuple[Slot, ...]
    """The free numbers, in the order of the vector."""
    fixed: Mapping[str, Array]
    """Values (w,) of every parameter at the start: those of the slots are overwritten."""

    def parameters(self, theta: NDArray[np.inexact]) -> Parameters:
        """Parameters with L lanes from logarithms (L, n), which may be complex."""
        values = {
            name: np.broadcast_to(at, (len(theta), len(at))).astype(theta.dtype)
            for name, at in self.fixed.items()
        }
        for k, slot in enumerate(self.slots):
            values[slot.name][:, slot.firm or 0] = np.exp(theta[:, k])
        return Parameters(**values)

    def width(self, name: str) -> int:
        """How many values a parameter has: 1, common to both firms, or 2."""
        return len(self.fixed[name])

    def vector(self) -> Array:
        """The logarithms (n,) at the start."""
        return np.array([np.log(self.fixed[s.name][s.firm or 0]) for s in self.slots])

    def upper(self) -> Array:
        """The largest logarithms (n,)."""
        return np.array([np.log(LARGEST.get(s.name, np.inf)) for s in self.slots])


def layout(start: Parameters, priors: Mapping[str, Prior]) -> Layout:
    """The layout of a fit from these parameters, of one lane; what is held fixed, and margins of
    firms whose units cost nothing, are no slots."""
    fixed = {name: np.asarray(getattr(start, name)[0], float) for name in NAMES}
    slots = []
    for name in NAMES:
        prior = priors.get(name)
        if prior is not None and prior.log_sd is None:
            continue
        wide = len(fixed[name]) > 1
        for firm in range(len(fixed[name])):
            if name == "margin" and fixed[name][firm] == 1:
                continue
            slots.append(Slot(name=name, firm=firm if wide else None))
    return Layout(slots=tuple(slots), fixed=fixed)


def case_values(
    parameters: Parameters, market: Case, books: Accounts, width: Callable[[str], int]
) -> dict[str, Array]:
    """The values (L,) of a case file by dotted key, unit costs and gross intercepts among them.

    `width` tells of each parameter how many values it has, 1 or 2; `books` are the accounts in net
    prices at today's levels.
    """
    unit_cost = books.price * (1 / parameters.margin - 1)
    gross = parameters.net_intercept + apply(slope_matrix(market), unit_cost)
    out: dict[str, Array] = {}

    def put(key: str, values: Array, count: int) -> None:
        for firm in range(count):
            out[f"{key}[{firm}]" if count > 1 else key] = values[:, firm]

    put("demand.intercept", gross, 2)
    put("demand.own_slope", market.own_slope, width("own_slope"))
    put("demand.cross_slope", market.cross_slope, 1)
    put("security.rivalry", market.rivalry, 1)
    put("security.demand_spillover", market.demand_spillover, width("demand_spillover"))
    for key, values in (
        ("own", market.leakage_own),
        ("cross", market.leakage_cross),
        ("interaction", market.leakage_interaction),
    ):
        put(f"security.leakage.{key}", values, width("leakage_own"))
    put("cost.scale", market.cost_scale, width("cost_scale"))
    put("cost.max_saving", market.max_saving, 1)
    put("cost.spillover", market.cost_spillover, width("cost_spillover"))
    put("unit_cost.base", unit_cost, 2)
    return out
