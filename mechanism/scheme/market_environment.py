"""The market as a setting: firms are players, cost spillovers are types, the planner's levels for
each pair of reports are alternatives.

A firm's value of an alternative is its profit at those levels with its true cost, before transfers;
the public value is consumers' surplus. Their sum is social welfare, so the efficient alternative in
a state is the one assigned to it.
"""

from __future__ import annotations

import numpy as np

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.regimes import Regime, solve_lanes
from mechanism.casefile.policies import TODAY
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import TypeSpace, discrete, per_firm
from mechanism.design.environment import AllocationRule, Environment
from mechanism.design.states import Timing, over_states
from mechanism.scheme.allocation import allocate, given_levels
from mechanism.scheme.preparation import Scheme, scheme_at


class NoEnvironmentError(Exception):
    """The market gives no setting: the message says which of its problems has no solution."""


WEIGHTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
"""Weights on welfare, the rest on joint profit, whose best levels make the menu of a second best;
the first is the planner's."""


def menu_levels(
    case: Case, points: Array, second_best: bool = False, planner: Array | None = None
) -> Array:
    """The levels a regulator may assign at every pair of the points (M,) or (2, M): (m, M, M, 4).

    The planner's alone (given as `planner`, if they are known), or with `second_best` those that
    maximise w x welfare + (1 - w) x joint profit for every weight w in `WEIGHTS`.
    """
    size = points.shape[-1]
    if planner is None:
        optimum = allocate(case, points)
        if not optimum.solved:
            raise NoEnvironmentError(
                "the planner's problem has no solution at some pair of types; pigou evaluate"
                " says why"
            )
        planner = optimum.levels
    menu = [planner]
    if second_best:
        flat = case.map(lambda a: a.reshape(1, -1))
        pairs = flat.with_cost_spillover(
            np.stack(np.meshgrid(*per_firm(points), indexing="ij"), -1).reshape(-1, 2)
        )
        for weight in WEIGHTS[1:]:
            blend = Regime(
                key="blend", chooser="planner", prices=bertrand_matrix, welfare_weight=weight
            )
            menu.append(solve_lanes(pairs, blend, size * size).levels.reshape(planner.shape))
        if not np.isfinite(menu).all():
            raise NoEnvironmentError(
                "some levels between the planner's and the alliance's were not found at some pair"
                " of types"
            )
    return np.stack(menu)


def market_environment(
    case: Case, types: TypeSpace, menu: Array, outside: tuple[Array, Array]
) -> AllocationRule:
    """The planner's levels at every pair of types as a plan over a setting; `menu` (m, K, K, 4)
    holds them first, then those among which lotteries may choose, and `outside` what staying out is
    worth to either firm over states."""
    flat = case.map(lambda a: a.reshape(1, -1))
    first_types, second_types = types.types_of(0), types.types_of(1)
    size = len(types.nodes)
    states = size**2
    levels = menu.reshape(-1, 4)
    values = []
    for firm in (0, 1):
        # A firm's profit needs its own type alone; prices depend on nobody's.
        own = [
            account(flat.with_cost_spillover(np.full((1, 2), t)), levels, bertrand_matrix).profit[
                :, firm
            ]
            for t in types.types_of(firm)
        ]
        values.append(np.stack(own))
    environment = Environment(
        name="market",
        players=case.firms,
        types=(first_types, second_types),
        probabilities=(types.probabilities, types.probabilities),
        alternatives=tuple(
            f"levels for ({first:.6g}, {second:.6g})"
            + ("" if weight == 1 else f" at weight {weight:g}")
            for weight in WEIGHTS[: len(menu)]
            for first in first_types
            for second in second_types
        ),
        values=(values[0], values[1]),
        outside=outside,
        public_value=account(flat, levels, bertrand_matrix).consumer_surplus.sum(-1),
        menu=(np.arange(states)[:, None] + states * np.arange(len(menu))).reshape(size, size, -1),
    )
    return AllocationRule(environment, chosen=np.arange(states).reshape(size, size))


def both_types_environment(scheme: Scheme) -> AllocationRule:
    """The planner's levels as a plan where both types move both profits, every point a type.

    A firm's value of the alternative of a state is what it earns at the levels for those reports
    when its rival's report is true: all that truth-telling and joining ask while rivals tell the
    truth. At other alternatives than a state's own such values are nobody's, so that nothing may be
    chosen over them, and joint reports may not be judged.
    """
    types, payoff = scheme.types, scheme.options.payoff
    size = types.size
    first, second = scheme.earned(payoff).tables
    kept = sum(over_states(scheme.assignment.kept(payoff)))
    environment = Environment(
        name="market",
        players=scheme.case.firms,
        types=(types.of(0), types.of(1)),
        probabilities=(types.weights, types.weights),
        alternatives=tuple(
            f"levels for ({a:.6g}, {b:.6g})" for a in types.of(0) for b in types.of(1)
        ),
        values=(first.reshape(size, -1), np.swapaxes(second, -1, -2).reshape(size, -1)),
        outside=over_states(scheme.own_outside),
        public_value=(scheme.assignment.welfare[0] - kept).ravel(),
    )
    return AllocationRule(environment, chosen=np.arange(size * size).reshape(size, size))


def outside_options(
    case: Case, types: TypeSpace, participation: str, timing: Timing, planner: Array
) -> tuple[Array, Array]:
    """What staying out is worth to either firm over states, firm 1's type on the first axis, in one
    form of participation (`preparation.staying_out`) and beside the planner's levels (K, K, 4)."""
    listed = discrete(types.types, types.probabilities, types.parameter)
    on_market = participation == "ir_market"
    market = allocate(case, listed.points, TODAY, listed.parameter) if on_market else None
    if market is not None and not market.solved:
        raise NoEnvironmentError(
            "the market has no equilibrium at some pair of types, so there is no outside option"
        )
    options = MechanismOptions(participation=participation, timing=timing)  # type: ignore[arg-type]
    # Of what is found beside the levels only what the options ask for is wanted.
    beside = not (on_market and timing == "interim")
    outside = scheme_at(
        case, listed, options, given_levels(planner), market, plain=beside
    ).own_outside
    if not np.isfinite(outside).all():
        raise NoEnvironmentError(
            "the market with private types has no equilibrium that was found, so there is no"
            " outside option"
        )
    return over_states(outside)
