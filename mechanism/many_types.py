"""Many cases with private types at once: regimes in expectation, and tax rules judged, as columns.

All cases share types, options and cost form. First the levels at all pairs of types are sought from a few pairs that are searched
globally; a case where anything is not plain there (several optima, nothing found, best replies in reports that cycle, a private market
that does not settle) goes the same way once more with the thorough search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.case import Case
from market.outcome import SOLVED
from market.regimes import REGIMES, solve_regime
from mechanism.allocation import Allocation
from mechanism.behaviour import Expected, expected_outcome
from mechanism.judge import Judged, judge
from mechanism.options import NO_TRANSFERS
from mechanism.policies import GOAL, TODAY
from mechanism.preparation import Scheme, over_pairs, scheme_at
from mechanism.rules import TAX_RULES, TaxRule
from mechanism.schema import MechanismOptions
from mechanism.solved import OVER_BUDGET, transfers_of
from mechanism.types import TypeSpace

Figures = dict[str, NDArray[Any]]
"""Columns of one policy, (C, ...) each; what firms have an axis for has it last."""

LANES = 60_000
"""Pairs of types that are solved together."""

PER_FIRM = ("sharing", "investment", "price", "profit")
TOTALS = ("consumer_surplus", "welfare", "public_outlay")


def block_size(types: TypeSpace) -> int:
    """How many cases are taken at once."""
    return max(1, min(1000, LANES // len(types.points) ** 2))


def solve_block(
    case: Case, types: TypeSpace, options: MechanismOptions, policies: Sequence[str], plain: bool = True
) -> tuple[dict[str, Figures], NDArray[np.bool_]]:
    """The figures of regimes and tax rules at C markets of a flat case, and at which of them: with `plain` those where everything is, the
    arrays having their lanes; without it all, each searched thoroughly."""
    C, parameter = len(case.cost_scale), types.parameter
    rules = [TAX_RULES[policy] for policy in policies if policy not in REGIMES]
    at_points: dict[str, Allocation] = {}
    if rules or GOAL in policies:
        at_points[GOAL] = over_pairs(case, types.points, GOAL, parameter, plain)
    if rules and (not plain or (options.participation == "ir_market" and options.timing == "ex_post")):
        at_points[TODAY] = over_pairs(case, types.points, TODAY, parameter, plain)
    square = np.ix_(np.arange(C), types.nodes, types.nodes)
    at_types = {
        key: at_points[key].take(square) if key in at_points else over_pairs(case, types.types, key, parameter, plain)
        for key in policies
        if key in REGIMES
    }
    lanes = np.arange(C)
    if plain:
        lanes = np.flatnonzero(np.all([a.plain for a in (*at_points.values(), *at_types.values())], axis=0))
        case = case.take(lanes)
        at_points, at_types = ({key: a.take(lanes) for key, a in them.items()} for them in (at_points, at_types))
    out = {key: _regime(case, types, key, levels_of) for key, levels_of in at_types.items()} if len(lanes) else {}
    fine = np.ones(len(lanes), bool)
    for found in out.values():
        fine &= np.isin(found["status"].astype(str), list(SOLVED))
    if rules and len(lanes):
        if not at_points[GOAL].solved:  # one market, searched thoroughly
            out |= {rule.key: _unsolved(case, GOAL, "some pair of reports has no social optimum") for rule in rules}
        else:
            nash = at_types[TODAY].levels if plain and TODAY in at_types else None
            scheme = scheme_at(case, types, options, at_points[GOAL], at_points.get(TODAY), plain, nash)
            fine &= np.isfinite(scheme.own_outside).all((0, 2, 3))
            for rule in rules:
                out[rule.key], settled = _rule(scheme, rule)
                fine &= settled
    where = np.ones(C, bool)
    if plain:
        where = np.isin(np.arange(C), lanes[fine])
        out = {policy: {name: values[fine] for name, values in found.items()} for policy, found in out.items()}
    return out, where


# --- regimes


def _regime(case: Case, types: TypeSpace, key: str, found: Allocation) -> Figures:
    """A regime's expectation over types at C markets, each pair's levels chosen with the types known."""
    expected = expected_outcome(case, types, found.levels, rule=REGIMES[key].prices)
    solved = np.asarray(np.isfinite(found.levels).all((1, 2, 3)))
    status, message = (np.full(len(solved), text, object) for text in ("converged", ""))
    infeasible = solved & ~np.asarray(expected.describes_market)
    status[infeasible], message[infeasible] = "infeasible", "prices or quantities are negative at some pair of types"
    for lane in np.flatnonzero(~solved):
        alone = _unsolved(case.take([lane]), key, "no solution was found at some pair of types")
        status[lane], message[lane] = alone["status"][0], alone["message"][0]
    worst = {name: np.where(solved & ~infeasible, getattr(found, name).max((1, 2)), np.nan) for name in ("residual", "regret")}
    return {"status": status, "message": message, **_figures(expected, solved & ~infeasible), **worst}


def _unsolved(case: Case, key: str, otherwise: str) -> Figures:
    """Why a regime has no figures at one market: as at its own parameters or, where it is solved there, `otherwise`."""
    alone = solve_regime(case, key)
    status = "not_converged" if alone.status in SOLVED else alone.status
    return {"status": np.array([status], object), "message": np.array([alone.message or otherwise], object)}


def _figures(expected: Expected, claimed: NDArray[np.bool_]) -> Figures:
    """Expectations (...) where they are claimed, NaN elsewhere; profit is what firms keep."""
    per_firm = {"sharing": expected.sharing, "investment": expected.investment, "price": expected.price, "profit": expected.kept}
    totals = {"consumer_surplus": expected.consumer_surplus, "welfare": expected.welfare, "public_outlay": expected.budget}
    out = {name: np.where(claimed[..., None], values, np.nan) for name, values in per_firm.items()}
    return out | {name: np.where(claimed, values, np.nan) for name, values in totals.items()}


# --- tax rules


def _rule(scheme: Scheme, rule: TaxRule) -> tuple[Figures, NDArray[np.bool_]]:
    """One tax rule at C markets, and where it is known what firms do."""
    if rule.designed and scheme.options.allocation == "second_best":
        each = [_drawn(scheme.lane(c), rule) for c in range(scheme.lead[0])]
        return {name: np.stack([one[name] for one in each]) for name in each[0]}, np.ones(len(each), bool)
    transfers = transfers_of(scheme, rule)
    judged = judge(scheme, rule, np.nan_to_num(transfers.net))
    return _judged(scheme, judged, transfers.found, transfers.over_budget), transfers.found & judged.settled


def _drawn(scheme: Scheme, rule: TaxRule) -> Figures:
    """The second best at one market."""
    from mechanism.second_best import lottery_scheme

    drawn = lottery_scheme(scheme)
    found, over = np.array(drawn is not None), np.array(drawn is not None and drawn.design.status == "infeasible")
    if drawn is None:
        return _judged(scheme, judge(scheme, rule, np.zeros(scheme.assignment.utility.shape)), found, over)
    return _judged(drawn, judge(drawn, rule, drawn.design.net), found, over)


def _judged(scheme: Scheme, judged: Judged, found: NDArray[np.bool_], over_budget: NDArray[np.bool_]) -> Figures:
    """What was judged as columns (...), where there are transfers."""
    settled = found & judged.settled
    nothing = np.where(found, "best replies in reports cycle", NO_TRANSFERS.text)
    nothing = np.where(found & np.array(judged.rule.observed), "truth is no best reply, and what is reported instead is not said", nothing)
    return {
        "status": np.where(settled, "converged", np.where(found, "no_equilibrium", "not_converged")).astype(object),
        "message": np.where(settled, np.where(over_budget, OVER_BUDGET, ""), nothing).astype(object),
        "ic_max_gain": np.where(found, judged.gain, np.nan),
        "ic": np.where(found, judged.ic, "").astype(object),
        "ir_min_slack": np.where(found, judged.slack, np.nan),
        "ir": np.where(found, "" if judged.ir is None else judged.ir, "").astype(object),
        "residual": np.where(found, scheme.residual, np.nan),
        **_figures(judged.achieved, settled),
    }
