"""Agreed sharing does not depend on which firm is named first: neither which of several equilibria
in investments counts, nor where the search for what is best ends."""

from __future__ import annotations

import numpy as np
import pytest
from admissible import cases
from hypothesis import given, settings
from wild_markets import made

from market.model.case import Case, make_case
from market.model.units import natural_units
from market.regimes import solve_markets, solve_regime
from mechanism.casefile.policy_case import parse_tree

KEY = "sharing_alliance"
EXCHANGED = [1, 0, 3, 2]


def same_exchanged(case: Case) -> None:
    """The outcome is the same, firm for firm, alone and among many.

    Whether what is solved lies where an answer jumps, and is told as a corner, may turn on the last
    digits of payoffs; levels and payoffs may not.
    """
    case = case.flat()
    other = case.map(lambda value: value[..., ::-1])
    one, two = solve_regime(case, KEY), solve_regime(other, KEY)
    kinds = ["solved" if each.solved else each.status for each in (one, two)]
    assert kinds[0] == kinds[1]
    many = [solve_markets(each, KEY, 1) for each in (case, other)]
    kinds = ["solved" if each.solved[0] else each.status[0] for each in many]
    assert kinds[0] == kinds[1]
    if not one.solved:
        return
    units = natural_units(case)
    money, quantity = units.money.item(), units.quantity.item()
    size = np.array([1, 1, quantity, quantity])
    for x, y in ((one.levels, two.levels), (many[0].levels[0], many[1].levels[0])):
        apart = np.abs(x - y[EXCHANGED]) / np.maximum(size, np.abs(x))
        assert apart.max() <= 1e-9
    scale = max(money, float(np.abs(one.profit).max()))
    assert np.abs(one.profit - two.profit[::-1]).max() <= 1e-9 * scale


@settings(max_examples=24)
@given(cases(forms=("saturating", "exponential", "restricted"), unit_costs=True))
def test_markets_with_firms_exchanged(case: Case) -> None:
    same_exchanged(case)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(26, 50))
def test_wild_markets_with_firms_exchanged(number: int) -> None:
    same_exchanged(parse_tree({"schema_version": 1, "name": "wild", **made(7, number)}).market)


RIVALS = make_case(
    intercept=(0.020001793950373062, 0.011506430960530256),
    own_slope=(0.5776679520023347, 0.5620025059115412),
    cross_slope=0.07847410732116786,
    rivalry=0.8542795398645556,
    demand_spillover=(0.9045990545808702, 0.5480995555410042),
    leakage=(
        (0.0033743367077860545, 0.011966303293488027),
        (0.0031909420887035614, 0.0),
        (0.0, 0.002086167271872297),
    ),
    cost_scale=(2.3500687042867896, 5.846914063496202),
    max_saving=0.7069527869888338,
    cost_spillover=(0.0, 0.6834026895864128),
    cost_form="restricted",
    reference_investment=0.007489132764377413,
)
"""Rivalry is so strong that each firm invests less the more the other does."""

DARING = make_case(
    intercept=95.49611800772063,
    own_slope=(316.6495721970382, 208.34287474841975),
    cross_slope=190.64800770885154,
    rivalry=0.9998777568591385,
    demand_spillover=(1.0, -1.0),
    leakage=((1.2593288724040386, 1.0310839530228266), 0.0, (0.0, 0.9883802815253624)),
    cost_scale=(0.04909056734530456, 0.012337150800027095),
    max_saving=(0.0, 0.9809570446878587),
    cost_spillover=(0.405750791546883, 1.0),
    cost_form="exponential",
    reference_investment=0.13536906676876187,
)
"""Near the best agreement one equilibrium in investments ends, and another goes on."""


@pytest.mark.slow
@pytest.mark.parametrize("case", [RIVALS, DARING])
def test_several_equilibria_with_firms_exchanged(case: Case) -> None:
    same_exchanged(case)
    assert solve_regime(case, KEY).solved
