"""Many cases with private cost spillovers at once: benchmarks in expectation, taxes, truth-telling, participation and behaviour.

All cases share types, options and cost form. The levels at all pairs of types are interpolated from a few pairs that are searched
globally, and finished by Newton's method with their residual checked. A case where anything is not plain (several optima, nothing found,
best replies in reports that cycle, a private market that does not settle) is left to be evaluated alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.case import INVESTMENT, SHARING, Array, Case
from market.outcome import Accounts, account
from market.pricing import PriceRule, bertrand_matrix
from market.regimes import REGIMES, solve_lanes
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.allocation import at_pairs, levels_over_pairs, per_firm
from mechanism.checks import RELATIVE_TOLERANCE, ROUNDING
from mechanism.incentives import gains
from mechanism.private_market import private_equilibria
from mechanism.reported import TAX_RULES, Assignment, assignment_of
from mechanism.schema import MechanismOptions
from mechanism.transfers import DESIGNED, least_transfers
from mechanism.types import TypeSpace

Figures = dict[str, NDArray[Any]]
"""Columns of one policy, (C, ...) each."""

LANES = 60_000
"""Pairs of types that are solved together."""
OVER_BUDGET = "no transfers keep to the budget: these are the figures without a limit to it"
"""What is said of a design whose budget cannot be met."""
ROUNDS = 60
"""Rounds of best replies in reports after which a case is evaluated alone."""


def block_size(types: TypeSpace) -> int:
    """How many cases are taken at once."""
    return max(1, min(1000, LANES // len(types.points) ** 2))


def solve_block(
    case: Case, types: TypeSpace, options: MechanismOptions, policies: Sequence[str], tolerances: Tolerances = DEFAULT
) -> tuple[dict[str, Figures], NDArray[np.bool_]]:
    """The figures of every policy at the C markets of a flat case (every parameter with C lanes), and which cases are plain."""
    C = len(case.cost_scale)
    plain = np.ones(C, bool)
    ruled = [policy for policy in policies if policy not in REGIMES]
    nodes = types.nodes
    at_points: dict[str, tuple[Array, Array, Array]] = {}

    def over(key: str, points: Array) -> tuple[Array, Array, Array]:
        nonlocal plain
        found = levels_over_pairs(case, points, key, plain=True, tolerances=tolerances)
        plain &= found.plain
        return found.levels, found.residual.max((1, 2)), found.regret.max((1, 2))

    if ruled or "social_optimum" in policies:
        at_points["social_optimum"] = over("social_optimum", types.points)
    if ruled and options.participation == "ir_market" and options.timing == "ex_post":
        at_points["nash"] = over("nash", types.points)
    out: dict[str, Figures] = {}
    for key in (policy for policy in policies if policy in REGIMES):
        if key in at_points:
            x, residual, regret = at_points[key]
            x = x[:, nodes][:, :, nodes]
        else:
            x, residual, regret = over(key, types.types)
            if key == "nash":
                at_points["nash at types"] = x, residual, regret
        figures = _expected(case, types, x, REGIMES[key].prices)
        plain &= figures.pop("market")
        out[key] = figures | {"residual": residual, "regret": regret}
    if ruled:
        x, residual, _ = at_points["social_optimum"]
        books = _accounts(case, types.points, x, bertrand_matrix)
        assignment = assignment_of(case.map(lambda a: a[:, None, None, None]), types, x, books)
        outside = _outside(case, types, options, assignment, at_points)
        plain &= np.isfinite(outside).all((0, 2, 3))
        tables = _own_tables(assignment, options.payoff)
        outside = np.nan_to_num(outside)
        for rule in ruled:
            if rule == DESIGNED:
                interim = np.stack([table @ types.weights for table in tables])
                net = least_transfers(interim, outside[..., 0], types.weights)
                plain &= np.isfinite(net).all((0, 2, 3))
            else:
                net = assignment.subsidy - TAX_RULES[rule](assignment, outside)
            found, ok = _rule(case, types, options, assignment, np.nan_to_num(net), outside, tables)
            if rule == DESIGNED and options.budget != "none":
                beyond = found["public_outlay"] > RELATIVE_TOLERANCE * _range(assignment.revenue - assignment.reported_cost)
                found["message"] = np.where(beyond, OVER_BUDGET, "").astype(object)
            plain &= ok
            out[rule] = found | {"residual": residual, "regret": np.full(C, np.nan)}
    return out, plain


# --- expectations


def _accounts(case: Case, points: Array, x: Array, prices: PriceRule) -> Accounts:
    """The accounts at levels (C, M, M, 4) with the points as true types."""
    pairs = np.stack(np.meshgrid(points, points, indexing="ij"), -1)
    return account(case.map(lambda a: a[:, None, None]).with_cost_spillover(pairs), x, prices)


def _expected(case: Case, types: TypeSpace, x: Array, prices: PriceRule, net: Array | float = 0.0) -> Figures:
    """Expectations when types (k, l) end up at levels (C, K, K, 4) with net transfers (C, K, K, 2)."""
    books = _accounts(case, types.types, x, prices)
    p = types.probabilities

    def mean(values: Array) -> Array:
        return np.asarray(np.tensordot(values, np.outer(p, p), ((1, 2), (0, 1))))

    net = np.broadcast_to(net, books.profit.shape)
    paid = mean(net)
    return {
        "sharing": mean(x[..., SHARING]),
        "investment": mean(x[..., INVESTMENT]),
        "price": mean(books.price),
        "profit": mean(books.profit) + paid,
        "consumer_surplus": mean(books.consumer_surplus).sum(-1),
        "welfare": mean(books.total_surplus).sum(-1),
        "public_outlay": paid.sum(-1),
        "market": np.asarray(books.describes_market).all((1, 2)),
    }


# --- tax rules


def _outside(case: Case, types: TypeSpace, options: MechanismOptions, assignment: Assignment, known: dict[str, Any]) -> Array:
    """What staying out is worth in the form of participation asked for, (2, C, M, 1) or (2, C, M, M); NaN where it was not found."""
    C, M = len(case.cost_scale), len(types.points)
    printed = options.payoff == "printed"
    if options.participation == "ir1":
        own = assignment.revenue - (0.0 if printed else assignment.reported_cost)
        return own if options.timing == "ex_post" else (own @ types.weights)[..., None]
    if options.participation != "ir_market":
        return np.zeros((2, C, M, 1))
    if options.timing == "ex_post":
        books = _accounts(case, types.points, known["nash"][0], bertrand_matrix)
        return per_firm(books.profit + (books.investment_cost if printed else 0.0))
    middle = types.nodes[len(types.nodes) // 2]
    at_types = known.get("nash at types")
    if at_types is not None:
        start = at_types[0][:, len(types.nodes) // 2, len(types.nodes) // 2]
    else:
        first, second = np.array([[middle, 0, 0, M - 1, M - 1], [middle, 0, M - 1, 0, M - 1]])
        found = solve_lanes(at_pairs(case, types.points, first, second), REGIMES["nash"], C * len(first))
        start = found.levels.reshape(C, -1, 4)[:, 0]
        told = np.isfinite(found.levels).all(-1, keepdims=True) & ~found.several[:, None]  # as alone, where every pair is asked
        start = np.where(np.reshape(told, (C, -1)).all(1, keepdims=True), start, np.nan)
    lost = ~np.isfinite(start).all(-1)
    looked = np.unique([0, middle, M - 1])
    private = private_equilibria(case, types, np.nan_to_num(start), looked)
    payoff = np.stack([e.payoff + (e.own_cost if printed else 0.0) if e.converged else np.full((2, M), np.nan) for e in private], axis=1)
    payoff[:, lost] = np.nan
    return payoff[..., None]


def _range(payoffs: Array) -> Array:
    """Per case what gains and slacks are measured against, from payoffs (2, C, ...): see `checks.payoff_range`."""
    axes = (0, *range(2, payoffs.ndim))
    return np.maximum(np.maximum(payoffs.max(axes) - payoffs.min(axes), ROUNDING * np.abs(payoffs).max(axes)), 1e-300)


def _own_tables(assignment: Assignment, payoff: str) -> tuple[Array, Array]:
    """What each firm earns before transfers by true type, own and rival's report, (C, M, M, M), the rival truthful: whatever the tax."""
    types = assignment.types
    alike = all(np.allclose(a[0], a[1], 1e-12, 0) for a in (assignment.utility, assignment.revenue, assignment.reported_cost))
    first = assignment.own_part(0, types.points, payoff)
    return first, first if alike else assignment.own_part(1, types.points, payoff)


def _rule(
    case: Case,
    types: TypeSpace,
    options: MechanismOptions,
    assignment: Assignment,
    net: Array,
    outside: Array,
    tables: tuple[Array, Array],
) -> tuple[Figures, NDArray[np.bool_]]:
    """One tax rule, by its net transfers (2, C, M, M): truth-telling and participation in the options' forms, and what firms then do; and
    which cases are plain."""
    C, nodes = len(case.cost_scale), types.nodes
    if options.incentive == "bayesian":
        interim = np.stack([table @ types.weights for table in tables]) + (net @ types.weights)[..., None, :]
        gain = (interim - np.diagonal(interim, axis1=-2, axis2=-1)[..., None]).max((0, 2, 3))
        reported = 0.0 if options.payoff == "printed" else assignment.reported_cost
        at_truth = assignment.revenue - reported + net
    else:
        own = gains(assignment, assignment.subsidy - net, options.payoff)
        interim, at_truth, gain = own.interim, own.truth_ex_post, own.dominant.max((0, 2, 3))
    size = np.abs(assignment.utility).max((0, 2, 3))  # of what payoffs are sums of
    truthful = gain <= RELATIVE_TOLERANCE * np.maximum(_range(interim), ROUNDING * size)
    figures: Figures = {"ic_max_gain": gain, "ic": np.where(truthful, "holds", "violated").astype(object)}
    if options.participation != "none":
        payoff = net if options.participation == "ir1" else at_truth
        against = 0.0 if options.participation == "ir1" else outside
        if options.timing == "interim":
            payoff = (payoff @ types.weights)[..., None]
        slack = np.asarray(payoff - against).min((0, 2, 3))
        joins = slack >= -RELATIVE_TOLERANCE * _range(at_truth)
        figures |= {"ir_min_slack": slack, "ir": np.where(joins, "holds", "violated").astype(object)}
    reports = np.broadcast_to(nodes, (2, C, len(nodes))).copy()
    ok = np.ones(C, bool)
    lie = np.flatnonzero(~truthful)
    if len(lie):
        reports[:, lie], ok[lie] = _reports(types, tables, net, lie)
    one, two, each = reports[0][:, :, None], reports[1][:, None, :], np.arange(C)[:, None, None]
    x = assignment.levels[0][each, one, two]
    paid = np.stack([net[0][each, one, two], net[1][each, two, one]], -1)
    achieved = _expected(case, types, x, bertrand_matrix, paid)
    achieved.pop("market")
    return figures | achieved, ok


def _reports(
    types: TypeSpace, tables: tuple[Array, Array], net: Array, which: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The equilibrium in reports that best replies from the truth reach in these cases, (2, n, K) points, and where they settle. Ties go to
    the truth, then to the nearest report."""
    K, M = len(types.nodes), len(types.points)
    own, net = [table[which][:, types.nodes] for table in tables], net[:, which]
    distance = np.abs(types.points[None] - types.types[:, None])
    reports = np.broadcast_to(types.nodes, (2, len(which), K)).copy()
    settled = np.zeros(len(which), bool)
    for _ in range(ROUNDS):
        before = reports.copy()
        for firm in (0, 1):
            told = np.zeros((len(which), M))
            np.add.at(told, (np.arange(len(which))[:, None], reports[1 - firm]), types.probabilities)
            expected = np.matmul(own[firm], told[:, None, :, None])[..., 0] + np.matmul(net[firm], told[..., None])[:, None, :, 0]
            best = expected.max(-1, keepdims=True)
            near = expected >= best - 1e-12 * np.maximum(1.0, np.abs(best))
            reports[firm] = np.argmin(np.where(near, distance, np.inf), axis=-1)
        settled = (reports == before).all((0, 2))
        if settled.all():
            break
    return reports, settled
