"""Truth-telling and participation between the types of a grid, for cost spillovers drawn from an
interval.

A program or a table holds a mechanism to account on a grid. Here types and reports are refined
together, by halving the steps, until the largest gain and the smallest slack change by less than
1e-6 of the payoff range. Levels at reports between grid points are the planner's, solved for anew;
what a rule pays there its row says (`TaxRule.net_between`), and where it does not nothing is
established. Expectations stay those over the prior's nodes, and the rival's types are those nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.regimes import REGIMES, solve_lanes
from mechanism.casefile.policies import GOAL, TODAY
from mechanism.design.checks import (
    NOT_ESTABLISHED,
    RELATIVE_TOLERANCE,
    Check,
    CheckStatus,
    Lie,
    Refusal,
    payoff_range,
)
from mechanism.design.rules import TaxRule
from mechanism.design.states import OwnReports
from mechanism.scheme.incentives import LARGEST_BLOCK, Gains
from mechanism.scheme.preparation import Scheme, sides_of_joining, staying_out
from mechanism.scheme.private_market import at_types
from mechanism.scheme.reported import own_cost, own_payoff
from mechanism.scheme.rule_results import Continuum

SETTLED = 1e-6
"""Share of the payoff range below which a change no longer counts."""
LARGEST_GRID = 1500
"""Points per firm beyond which steps are not halved again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportTable:
    """One firm's accounts at types and reports (n,) between those of the grid and its rival's types
    (K,)."""

    scheme: Scheme
    firm: int
    points: Array
    """(n,)."""
    levels: Array
    """(n, K, 4): the planner's, in the firms' own order."""
    revenue: Array
    """(n, K): variable profit."""
    cost: Array
    """(n, K): own investment cost at the truth."""
    subsidy: Array
    """S_i, (n, K)."""

    # What staying out is worth there: `preparation.Fallback`.

    def assigned(self) -> Array:
        """(n, K)."""
        return self.revenue if self.scheme.options.payoff == "printed" else self.revenue - self.cost

    def market(self) -> Array:
        """(n, K): from the nearest equilibrium on the grid; NaN throughout where at some pair none
        is reached."""
        levels = self.scheme.market_levels
        assert levels is not None
        if not np.isfinite(self.scheme.market()).all():
            return np.full(self.revenue.shape, np.nan)
        lanes, start = _pairs(
            self.scheme,
            self.firm,
            self.points,
            levels if self.firm == 0 else np.swapaxes(levels, 0, 1),
        )
        x = solve_lanes(lanes, REGIMES[TODAY], len(start), starts=start[None]).levels
        found = own_payoff(
            account(lanes, x, bertrand_matrix), self.firm, self.scheme.options.payoff
        )
        return (found if np.isfinite(x).all() else np.full_like(found, np.nan)).reshape(
            self.revenue.shape
        )

    def private(self) -> Array:
        """(n, 1)."""
        found = self.scheme.private_market
        assert found is not None
        if not found.converged:
            return np.full((len(self.points), 1), np.nan)
        profit, cost = at_types(self.scheme.case, self.scheme.types, self.firm, found, self.points)
        return (profit + (cost if self.scheme.options.payoff == "printed" else 0.0))[:, None]


@dataclass(frozen=True, kw_only=True)
class Worst:
    """One firm's worst gain and slack over types and reports."""

    gain: float
    type: float
    report: float
    """Where the gain is attained."""
    range: float
    """What gains are measured against."""
    slack: float | None
    """None where participation is not asked or the outside is not known."""
    joiner: float | None
    """The type with that slack."""
    rival: float | None
    """The rival's type there, ex post."""


def between(scheme: Scheme, rule: TaxRule, net: Array) -> Continuum:
    """The largest gain and the smallest slack over the whole support, by firm the worse, in the
    case's own forms.

    `net` (2, M, M) are the rule's net transfers on the grid. Where its row cannot say what it pays
    between, nothing is established.
    """
    options = scheme.options
    types = scheme.types
    each = [types.of(firm) for firm in (0, 1)]
    history: list[tuple[float, float | None]] = []
    while True:
        found = [
            worst
            for firm in ((0,) if scheme.case.symmetric() and types.common else (0, 1))
            if (worst := _firm(scheme, firm, each[firm], rule, net[firm])) is not None
        ]
        if not found:
            return Continuum(
                points=len(each[0]),
                change=None,
                payoff_range=float(Gains(earned=scheme.earned(options.payoff), transfer=net).range),
                incentive=options.incentive,
                timing=options.timing,
                ic=NOT_ESTABLISHED,
                ir=None if options.participation == "none" else NOT_ESTABLISHED,
            )
        scale = max(f.range for f in found)
        liar = max(range(len(found)), key=lambda i: found[i].gain)
        gain = found[liar].gain
        slacks = [f.slack for f in found if f.slack is not None]
        asked = options.participation != "none" and len(slacks) == len(found)
        least = min(slacks) if asked else None
        history.append((gain, least))
        changes = (
            []
            if len(history) < 2
            else [
                abs(history[-1][0] - history[-2][0]),
                abs((least or 0.0) - (history[-2][1] or 0.0)),
            ]
        )
        settled = bool(changes) and max(changes) <= SETTLED * scale
        if settled or 2 * len(each[0]) - 1 > LARGEST_GRID:
            break
        each = [
            np.sort(np.concatenate([points, (points[1:] + points[:-1]) / 2])) for points in each
        ]
    tolerance = RELATIVE_TOLERANCE * scale

    def check(holds: bool, amount: float, witness: Lie | Refusal) -> Check:
        status: CheckStatus = "not_established" if not settled else "holds" if holds else "violated"
        return Check(status=status, amount=amount, witness=witness)

    ir = None
    if least is not None:
        outsider = next(i for i, f in enumerate(found) if f.slack == least)
        where = found[outsider]
        ir = check(
            least >= -tolerance,
            least,
            Refusal(player=outsider, type=where.joiner, rival_type=where.rival, slack=least),
        )
    witness = Lie(player=liar, type=found[liar].type, report=found[liar].report, gain=gain)
    return Continuum(
        points=len(each[0]),
        change=max(changes) if changes else None,
        payoff_range=scale,
        incentive=options.incentive,
        timing=options.timing,
        ic=check(gain <= tolerance, gain, witness),
        ir=ir,
    )


def _firm(scheme: Scheme, firm: int, points: Array, rule: TaxRule, grid: Array) -> Worst | None:
    """One firm's largest gain and smallest slack over types and reports at these points; None where
    nobody can say what is paid there."""
    types, options = scheme.types, scheme.options
    p, nodes = types.probabilities, types.nodes
    table = _table(scheme, firm, points)
    on_grid = OwnReports(
        points=types.of(firm),
        net=grid[:, nodes],
        others=scheme.assignment.subsidy[firm][:, nodes],
        weights=p,
    )
    net = rule.net_between(on_grid, points, table.subsidy)
    if net is None:
        return None
    n, earned = len(points), table.revenue + net
    own, expected, gains = np.empty((n, len(p))), np.empty((n, n)), np.empty((n, n))
    # A few types at a time: payoffs by type, report and rival's type would fill memory.
    some = max(1, LARGEST_BLOCK // earned.size)
    for k in range(0, n, some):
        rows = np.arange(k, min(k + some, n))
        payoff = np.broadcast_to(earned, (len(rows), *earned.shape))
        if options.payoff != "printed":
            payoff = payoff - own_cost(
                scheme.case, types.parameter, firm, points[rows], table.levels
            )
        own[rows], expected[rows] = payoff[rows - k, rows], payoff @ p
        gains[rows] = (
            expected[rows] - expected[rows, rows][:, None]
            if options.incentive == "bayesian"
            else (payoff - own[rows][:, None]).max(-1)
        )
    kind, told = np.unravel_index(int(gains.argmax()), gains.shape)
    least = joiner = rival = None
    if options.participation != "none":
        outside = staying_out(table, options.participation, options.timing, p)
        joins, stays = sides_of_joining(options.participation, own, net, outside)
        slack = joins - stays
        slack = slack if options.timing == "ex_post" else (slack @ p)[:, None]
        if np.isfinite(slack).all():
            at = np.unravel_index(int(slack.argmin()), slack.shape)
            least, joiner = float(slack.min()), float(points[at[0]])
            rival = float(types.types_of(1 - firm)[at[1]]) if options.timing == "ex_post" else None
    return Worst(
        gain=float(gains.max()),
        type=float(points[kind]),
        report=float(points[told]),
        range=payoff_range(expected),
        slack=least,
        joiner=joiner,
        rival=rival,
    )


def _table(scheme: Scheme, firm: int, points: Array) -> ReportTable:
    """The planner's levels at the reports (n,) and the rival's nodes, from the nearest levels on
    the grid on either side."""
    types, assignment = scheme.types, scheme.assignment
    n, K, nodes = len(points), len(types.nodes), types.nodes
    lanes, _ = _pairs(scheme, firm, points, assignment.levels[firm])
    above = np.clip(np.searchsorted(types.of(firm), points), 1, types.size - 1)
    starts = np.stack(
        [assignment.levels[firm][side][:, nodes].reshape(-1, 4) for side in (above - 1, above)]
    )
    best = solve_lanes(lanes, REGIMES[GOAL], n * K, starts=starts).levels
    books = account(lanes, best, bertrand_matrix)
    cost = books.investment_cost.reshape(n, K, 2)
    revenue = books.profit.reshape(n, K, 2)[..., firm] + cost[..., firm]
    utility = (books.total_surplus + books.investment_cost).sum(-1).reshape(n, K)
    return ReportTable(
        scheme=scheme,
        firm=firm,
        points=points,
        levels=best.reshape(n, K, 4),
        revenue=revenue,
        cost=cost[..., firm],
        subsidy=utility - revenue - cost[..., 1 - firm],
    )


def _pairs(scheme: Scheme, firm: int, points: Array, grid: Array) -> tuple[Case, Array]:
    """One firm's points (n,) against the rival's nodes as lanes of a flat case, and for each the
    levels (n K, 4) of the nearest point of a grid (M, M, 4), its own point on the first axis."""
    types = scheme.types
    pairs = np.empty((len(points), len(types.nodes), 2))
    pairs[..., firm], pairs[..., 1 - firm] = points[:, None], types.types_of(1 - firm)
    nearest = np.abs(points[:, None] - types.of(firm)).argmin(1)
    lanes = scheme.case.map(lambda a: a.reshape(1, -1)).with_parameter(
        types.parameter, pairs.reshape(-1, 2)
    )
    return lanes, grid[nearest][:, types.nodes].reshape(-1, 4)
