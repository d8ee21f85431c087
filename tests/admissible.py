"""The market most tests use, and random admissible ones for property tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from market.model.case import Case, UnitCost, make_case
from market.model.wellposed import required_scale
from market.regimes import REGIMES, benefit_matrix

SYMMETRIC = {
    "intercept": 20,
    "own_slope": 1.5,
    "cross_slope": 1.0,
    "rivalry": 0.2,
    "demand_spillover": 0.6,
    "leakage": (3.0, 0.5, 0.2),
    "cost_scale": 20,
    "max_saving": 0.5,
    "cost_spillover": 0.5,
}

FIERCE = make_case(
    intercept=10,
    own_slope=1,
    cross_slope=0,
    rivalry=0.9,
    demand_spillover=0.05,
    leakage=(1, 0.1, 0.1),
    cost_scale=0.7,
    max_saving=0.2,
    cost_spillover=0.5,
)
"""Investment hurts the rival nearly as much as it helps the firm: planners and the market itself
drive one out."""


def market(**changes: object) -> Case:
    """A symmetric market whose planner responds strongly to the cost spillovers, with changes."""
    return make_case(**{**SYMMETRIC, **changes}).flat()  # type: ignore[arg-type]


LED = make_case(
    intercept=1,
    own_slope=1,
    cross_slope=2 / 3,
    rivalry=0.65,
    demand_spillover=0.3,
    leakage=(0.06, 0.01, 0.005),
    cost_scale=0.58,
    max_saving=0.3,
    cost_spillover=0.5,
    reference_investment=0.05,
)
"""A leader commits so much that the follower is about to answer otherwise, and about to invest
without limit."""


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    forms: tuple[str, ...] = ("saturating",),
    symmetric: bool = False,
    unit_costs: bool = False,
) -> Case:
    """A market in which every regime's problem is bounded and leakage cannot wipe out demand.

    With `unit_costs` it may have those too, such that none becomes negative where two units of
    knowledge or less are received.
    """

    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high, allow_nan=False))

    def per_firm(low: float, high: float) -> list[float]:
        first = number(low, high)
        return [first, first if symmetric else number(low, high)]

    own_slope = per_firm(1.0, 2.0)
    phi2, phi3 = number(0.0, 0.5), number(0.0, 0.3)
    form = draw(st.sampled_from(forms))
    # at one, shared knowledge replaces all investment of both
    largest = 0.9 if form == "restricted" else 1.0
    case = make_case(
        intercept=per_firm(15.0, 25.0),
        own_slope=own_slope,
        cross_slope=number(0.0, 0.85) * min(own_slope),
        rivalry=number(0.0, 0.9),
        demand_spillover=number(0.0, 1.0),
        leakage=(phi2 + phi3 + number(0.5, 4.0), phi2, phi3),
        cost_scale=1.0,
        max_saving=number(0.0, 0.7),
        cost_spillover=per_firm(0.0, largest),
        cost_form=form,
    ).flat()
    if unit_costs and draw(st.booleans()):
        base = number(0.1, 3.0)
        unit = UnitCost(
            base=np.array([[base]]),
            spillover=np.array([[base * number(0.0, 0.5)]]),
            slope=np.array([[number(0.0, 0.2)]]),
            curvature=np.array([[number(0.0, 0.1)]]),
        )
    else:
        unit = None
    # With both spillovers positive costs grow slowest: what is bounded then is bounded for every
    # type.
    worst = case.with_cost_spillover(np.full((1, 2), largest))
    needed = max(
        float(required_scale(worst, benefit_matrix(worst, regime)).max())
        for regime in REGIMES.values()
        if regime.chooser != "firms"
    )
    scale = needed * number(1.1, 4.0)
    return replace(case, cost_scale=np.array([[scale]]), unit_cost=unit)


def random_levels(rng: np.random.Generator, lanes: int, top: float = 3.0) -> np.ndarray:
    """Levels (lanes, 4) inside the box."""
    return np.column_stack([rng.uniform(0, 1, (lanes, 2)), rng.uniform(0, top, (lanes, 2))])
