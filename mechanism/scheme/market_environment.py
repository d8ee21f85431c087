"""The market as a setting: firms are players, what is private are types, the planner's levels for
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
from mechanism.casefile.policies import TODAY
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import TypeSpace, discrete
from mechanism.design.environment import AllocationRule, ByOwnReport, Environment
from mechanism.design.states import Timing, over_states
from mechanism.scheme.allocation import allocate, given_levels
from mechanism.scheme.preparation import Scheme, scheme_at


class NoEnvironmentError(Exception):
    """The market gives no setting: the message says which of its problems has no solution."""


def planner_levels(case: Case, types: TypeSpace) -> Array:
    """The planner's levels (K, K, 4) at every pair of types."""
    optimum = allocate(case, types.types, parameter=types.parameter)
    if not optimum.solved:
        raise NoEnvironmentError(
            "the planner's problem has no solution at some pair of types; pigou evaluate says why"
        )
    return optimum.levels


def market_environment(
    case: Case,
    types: TypeSpace,
    menu: Array,
    outside: tuple[Array, Array],
    same_levels: bool = False,
) -> AllocationRule:
    """The planner's levels at every pair of types as a plan over a setting; `menu` (m, K, K, 4)
    holds them first, then those among which lotteries may choose, and `outside` what staying out is
    worth to either firm over states, unless firms compare joining at the same levels.

    A firm's value of a pair's levels is what it earns there if its rival is of that pair's type;
    where both types move both profits such values are nobody's in another state.
    """
    flat = case.map(lambda a: a.reshape(1, -1))
    size = len(types.nodes)
    states, levels = size**2, menu.reshape(-1, 4)
    both = np.stack(np.meshgrid(types.types_of(0), types.types_of(1), indexing="ij"), -1)
    pairs = np.broadcast_to(both, (len(menu), size, size, 2)).reshape(-1, 2)
    values = []
    for firm in (0, 1):
        own = []
        for true in types.types_of(firm):
            lying = pairs.copy()
            lying[:, firm] = true
            books = account(flat.with_parameter(types.parameter, lying), levels, bertrand_matrix)
            own.append(books.profit[:, firm])
        values.append(np.stack(own))
    truth = account(flat.with_parameter(types.parameter, pairs), levels, bertrand_matrix)
    environment = Environment(
        name="market",
        players=case.firms,
        types=tuple(tuple(types.types_of(firm).tolist()) for firm in (0, 1)),
        probabilities=(types.probabilities, types.probabilities),
        alternatives=tuple(
            f"levels {layer} for ({first:.6g}, {second:.6g})"
            if layer
            else f"levels for ({first:.6g}, {second:.6g})"
            for layer in range(len(menu))
            for first in types.types_of(0)
            for second in types.types_of(1)
        ),
        values=(values[0], values[1]),
        outside=outside,
        public_value=truth.consumer_surplus.sum(-1),
        menu=(np.arange(states)[:, None] + states * np.arange(len(menu))).reshape(size, size, -1),
        same_alternative=same_levels,
    )
    return AllocationRule(environment, chosen=np.arange(states).reshape(size, size))


def planned_environment(scheme: Scheme, expected: bool = False) -> AllocationRule:
    """The planner's levels as a plan, every point a type, from what is known of them; `expected`:
    no more of them than what an own report lets expect.

    A firm's value of the alternative of a state is what it earns at the levels for those reports
    when its rival's report is true: all that truth-telling and joining ask while rivals tell the
    truth. Where both types move both profits such values are nobody's at other alternatives than a
    state's own, so that nothing may be chosen over them, and joint reports may not be judged.
    """
    types, payoff = scheme.types, scheme.options.payoff
    size, earned = types.size, scheme.earned(payoff)
    kept = over_states(scheme.assignment.kept(payoff))
    public = scheme.assignment.welfare[0] - sum(kept)
    if expected:
        names = [f"levels for the point {at}" for at in range(size)]
        first, second = earned.interim
    else:
        names = [f"levels for ({a:.6g}, {b:.6g})" for a in types.of(0) for b in types.of(1)]
        first, second = (table.of(slice(None)) for table in earned.tables)
        second = np.swapaxes(second, -1, -2)
    environment = Environment(
        name="market",
        players=scheme.case.firms,
        types=tuple(tuple(types.of(firm).tolist()) for firm in (0, 1)),
        probabilities=(types.weights, types.weights),
        alternatives=tuple(names),
        values=(first.reshape(size, -1), second.reshape(size, -1)),
        outside=over_states(scheme.own_outside),
        public_value=public @ types.weights if expected else public.ravel(),
    )
    if expected:
        return ByOwnReport(environment, in_states=(*kept, public))
    return AllocationRule(environment, chosen=np.arange(size * size).reshape(size, size))


def at_same_levels(participation: str) -> bool:
    """Whether in a form of participation the same levels stand on both sides (`ir1`), so that
    transfers alone decide whether a firm joins."""
    return participation == "ir1"


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
