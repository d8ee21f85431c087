"""Appendix B when the regulator knows everything: a subsidy that makes each firm the planner, and a
tax that takes it back.

Firm i receives S_i(s, t) = CS_i + TS_j at Bertrand prices (35) and pays the fixed tax T_i = S_i at
the social optimum (36). Its payoff is then Pi_i + S_i - T_i = SW(s, t) - T_i: both firms maximise
welfare, each over its own levels. The social optimum is an equilibrium of this common-interest
game, unless welfare is higher where one firm alone drives the other out, as the planner may not;
and it need not be the only one: whatever neither firm can improve alone is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array, Case, levels, rival
from market.model.demand import printed_double_integral, shifted_intercept
from market.model.deviations import CONTROLS, Deviations
from market.model.leaving import sales
from market.model.outcome import (
    Certificate,
    Outcome,
    account,
    bindings,
    unsolved,
    without_firm,
)
from market.model.pricing import bertrand_matrix, net_intercept, utility_matrix
from market.model.units import in_units, levels_from, levels_in, natural_units
from market.model.with_exit import planner_with_exit
from market.regimes import deviation_bounds, finish, level_bounds, other_point, starting_levels
from market.regimes.exits import listed
from market.regimes.search import FEW_STEPS
from market.solve.equilibrium import (
    Alike,
    Candidates,
    Game,
    best_reply_rounds,
    distinct,
    examine,
    finite,
    newton,
    searched_reply,
)
from market.solve.optimum import maximise, on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.design.checks import Check, least_lump_sums, participation
from mechanism.frozen import freeze


@dataclass(frozen=True, kw_only=True)
class Joining:
    """One form of individual rationality where nothing is private."""

    check: Check
    """Whether both firms would join."""
    slack: Array | None
    """(2,): payoff under the scheme less what staying out earns; None where that is not known, as
    are the following."""
    correction: Array | None
    """(2,): the least lump sums that make both join."""
    balanced: bool | None
    """Whether the firms could pay them to each other."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class FullInformation:
    """What subsidy and tax achieve at one case, per firm (2,) in money units."""

    subsidy: Array
    """S_i at the social optimum (35)."""
    tax: Array
    """T_i (36)."""
    net_transfer: Array
    """S_i - T_i at the regulated equilibrium; positive is received."""
    payoff: Array
    """Profit plus net transfer at the regulated equilibrium."""
    participation_gain: Array | None
    """Payoff under the scheme less the profit in the unregulated market; None if that market has no
    equilibrium."""
    regulated: Outcome
    """The equilibrium that best replies reach from the social optimum."""
    welfare_gap: float
    """Welfare at the social optimum less welfare at the regulated equilibrium."""
    printed_double_integral: Array
    """(35) as printed, at the social optimum: price x quantity^2, a diagnostic and no money
    amount."""
    joining: Mapping[str, Joining]
    """By form of individual rationality."""

    def __post_init__(self) -> None:
        freeze(self)


def subsidy(case: Case, x: Array) -> Array:
    """S_i = CS_i + TS_j at Bertrand prices (35), at levels x (..., 4): shape (..., 2), money
    units."""
    books = account(case, x, bertrand_matrix)
    return books.consumer_surplus + rival(books.total_surplus)


def regulated_game(case: Case, around: Array) -> Game:
    """The game in which each firm chooses its own levels to maximise welfare, at one flat case.

    Best replies are searched from own levels spread about those of `around` (4,). A firm that
    drives its rival out is paid what welfare then is.
    """
    welfare = planner_with_exit(case)
    lower, upper = deviation_bounds(case, around[None])
    players = Alike(welfare, 2)
    sharing = np.repeat([0.0, 0.25, 0.5, 0.75, 1.0], 2)
    own_starts = tuple(
        np.column_stack(
            [
                sharing,
                np.minimum(np.tile([0.3, 1.0], 5) * max(around[2 + i], 1e-3), upper[0, 2 + i]),
            ]
        )
        for i in (0, 1)
    )
    climbed = searched_reply(players, CONTROLS, lower[0], upper[0], own_starts)

    def reply(firm: int, x: Array) -> tuple[Array, Array]:
        own = list(CONTROLS[firm])
        reached, value = climbed(firm, x)
        reached[:, own], value = _deviations(case, firm, x, upper[0]).best(reached[:, own], value)
        return reached, value

    return Game(players=players, controls=CONTROLS, lower=lower[0], upper=upper[0], reply=reply)


def _deviations(case: Case, firm: int, x: Array, upper: Array) -> Deviations:
    """What one firm's own levels do to welfare at levels x (L, 4) of one flat case."""
    return Deviations(
        firm=firm,
        case=case,
        rivals=x[:, None, CONTROLS[1 - firm]],
        weights=np.ones(1),
        rates=np.zeros((1, 2)),
        sharing_range=(0.0, 1.0),
        cap=np.full(len(x), upper[2 + firm]),
        planner=True,
    )


def full_information(
    case: Case, optimum: Outcome, market: Outcome | None, tolerances: Tolerances = DEFAULT
) -> FullInformation:
    """Subsidy, tax and the regulated equilibrium, given the solved social optimum and the
    unregulated market's outcome."""
    case = case.flat()
    if optimum.levels is None:
        raise ValueError("full_information needs a solved social optimum")
    x_star = optimum.levels
    paid = subsidy(case, x_star[None])[0]
    tax = paid.copy()
    regulated = _regulated_equilibrium(case, optimum, tolerances)
    received = (
        np.full(2, np.nan)
        if regulated.levels is None
        else subsidy(case, regulated.levels[None])[0] - tax
    )
    payoff = regulated.profit + received
    A = shifted_intercept(case, x_star[None])
    sold = optimum.accounts.quantity[None] if optimum.accounts else np.full((1, 2), np.nan)
    return FullInformation(
        subsidy=paid,
        tax=tax,
        net_transfer=received,
        payoff=payoff,
        participation_gain=payoff - market.profit if market is not None and market.solved else None,
        regulated=regulated,
        welfare_gap=optimum.welfare - regulated.welfare,
        printed_double_integral=printed_double_integral(case, A, sold)[0],
        joining=_joining(paid, payoff, regulated, market),
    )


def _joining(
    paid: Array, payoff: Array, regulated: Outcome, market: Outcome | None
) -> dict[str, Joining]:
    # One state has no range of payoffs; what is added up to make them sets the rounding.
    scale = float(max(np.abs(paid).max(), np.abs(payoff).max()))
    outside = {
        "ir1": regulated.profit,
        "ir_market": np.full(2, np.nan) if market is None else market.profit,
        "ir2": np.zeros(2),
    }
    return {form: _joins(payoff, value, scale) for form, value in outside.items()}


def _joins(payoff: Array, outside: Array, scale: float) -> Joining:
    check = participation(payoff, outside, scale=scale)
    if check.status == "not_established":
        return Joining(check=check, slack=None, correction=None, balanced=None)
    holds, slack = check.status == "holds", payoff - outside
    return Joining(
        check=check,
        slack=slack,
        correction=np.zeros(2) if holds else least_lump_sums(payoff, outside),
        balanced=holds or bool(slack.sum() >= 0),
    )


def _regulated_equilibrium(own: Case, optimum: Outcome, tolerances: Tolerances) -> Outcome:
    assert optimum.levels is not None
    units = natural_units(own)
    case, x_star = in_units(own, units), levels_in(optimum.levels[None], units)[0]
    game = regulated_game(case, x_star)
    ends, _ = newton(game, _nominated(game, case, x_star, tolerances), tolerances, steps=FEW_STEPS)
    if not np.isfinite(ends[0]).all():
        return unsolved(
            "regulated", "no_equilibrium", "best replies from the social optimum did not settle"
        )
    seen = examine(game, np.concatenate([ends[:1], distinct(ends, tolerances)]), tolerances)
    here, found = seen.take(slice(1)), seen.take(slice(1, None))
    found = found.take(found.equilibria(tolerances))
    # those in which every firm sells
    real = account(case, found.x, bertrand_matrix).describes_market
    if not account(case, here.x, bertrand_matrix).describes_market[0]:
        # best replies drive a firm out
        if not real.any():
            return _without(own, case, here.x, here, tolerances)
        here = found.take([np.where(real, found.payoff[:, 0], -np.inf).argmax()])
    reached = here.x
    if here.regret[0] > tolerances.regret_at_rates:
        return unsolved(
            "regulated",
            "no_equilibrium",
            "a firm gains by other levels of its own from all that were found",
            own.firms,
        )
    apart = np.abs(found.x - reached) > tolerances.distinct * np.maximum(1.0, np.abs(reached))
    listed = (
        other_point(own, bertrand_matrix, x)
        for x in levels_from(found.x[apart.any(-1) & real], units)
    )
    others = sorted(listed, key=lambda other: (-other.welfare, *other.levels[SHARING]))
    x = levels_from(reached, units)
    held = np.logical_or(*(on_bound(reached, bound, tolerances) for bound in level_bounds(case, 1)))
    curvature = float(here.curvature[0])
    at_optimum = bool(
        (np.abs(reached[0] - x_star) <= tolerances.distinct * np.maximum(1.0, np.abs(x_star))).all()
    )
    room = max(
        float(_deviations(case, firm, reached, game.upper).reach(here.payoff[:, firm])[0])
        for firm in (0, 1)
    )
    certificate = Certificate(
        residual=float(here.unscaled_residual[0]),
        curvature=None if np.isnan(curvature) else curvature,
        regret=float(here.unscaled_regret[0]),
        # With every firm in a unilateral gain would be a better welfare than the optimum's: where
        # that is proven, and nobody can gain by driving the rival out, so is the absence of regret.
        scope=optimum.certificate.scope if at_optimum and room == 0 else "searched",
        gap=optimum.certificate.gap if at_optimum and room == 0 else None,
        others=tuple(others),
        bounds=bindings(x[0], held[0]),
    )
    return finish(own, "regulated", x[0], account(own, x, bertrand_matrix), certificate)


def _nominated(game: Game, case: Case, x_star: Array, tolerances: Tolerances) -> Array:
    """Levels (n, 4) near which equilibria may lie, first that to which the optimum leads.

    Best replies in turn climb what all players pursue and end on its peaks: after one round of them
    a climb over all levels arrives there sooner. Equilibria that they run away from are found from
    where they begin.
    """
    around = starting_levels(case, utility_matrix(case, bertrand_matrix))[0]
    ends = [levels(np.full(2, s), x_star[INVESTMENT]) for s in (0.0, 1.0)]
    starts = np.concatenate([x_star[None], around, ends])
    answered = finite(best_reply_rounds(game, starts, 1), starts)
    lower, upper = (np.broadcast_to(bound, starts.shape) for bound in (game.lower, game.upper))
    climbed = maximise(game.players[0], answered, lower, upper, tolerances)
    arrived = np.isfinite(climbed.residual)[:, None]
    return np.concatenate([np.where(arrived, climbed.x, answered), answered, starts])


def _without(own: Case, case: Case, x: Array, found: Candidates, tolerances: Tolerances) -> Outcome:
    """What is said where best replies lead to levels x (1, 4), natural units, that describe no
    market: a firm is driven out."""
    out = np.flatnonzero(sales(case, net_intercept(case, x)).out[0])
    if not len(out) or found.regret[0] > tolerances.regret:
        return unsolved(
            "regulated",
            "no_equilibrium",
            "no levels were found from which no firm gains with both firms selling",
            own.firms,
        )
    firm, there = int(out[0]), levels_from(x, natural_units(own))
    return unsolved(
        "regulated",
        "infeasible",
        without_firm(own.firms[firm]),
        own.firms,
        driven_out=firm,
        others=listed(own, there),
    )
