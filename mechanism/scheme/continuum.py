"""Truth-telling and participation between the types of a grid, for cost spillovers drawn from an
interval.

A program or a table holds a mechanism to account on a grid. Here types and reports are refined
together, by halving the steps, until the largest gain and the smallest slack change by less than
1e-6 of the payoff range. Levels at reports between grid points are the planner's, solved for anew;
what a rule pays there its row says (`TaxRule.net_between`), and where it does not nothing is
established. Expectations stay those over the prior's nodes, and the rival's types are those nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import Accounts, account
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
    first_largest,
    payoff_range,
)
from mechanism.design.rules import TaxRule
from mechanism.design.states import OwnReports
from mechanism.scheme.incentives import Gains
from mechanism.scheme.own_table import OwnTable
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
    """One firm's accounts at types and reports (n,), those of the grid or refined ones, and its
    rival's types (K,)."""

    scheme: Scheme
    firm: int
    points: Array
    """(n,)."""
    levels: Array
    """(n, K, 4): the planner's, in the firms' own order."""
    coarser: ReportTable | None
    """The same at every other point; None on the grid."""

    @cached_property
    def finer(self) -> ReportTable:
        """The same at the points between as well, where the planner's levels are sought from those
        on either side."""
        n, K = self.levels.shape[:2]
        points, levels = np.empty(2 * n - 1), np.empty((2 * n - 1, K, 4))
        points[::2], levels[::2] = self.points, self.levels
        points[1::2] = (self.points[1:] + self.points[:-1]) / 2
        starts = np.stack([side.reshape(-1, 4) for side in (self.levels[:-1], self.levels[1:])])
        lanes = _lanes(self.scheme, self.firm, points[1::2])
        found = solve_lanes(lanes, REGIMES[GOAL], (n - 1) * K, starts=starts).levels
        levels[1::2] = found.reshape(n - 1, K, 4)
        return replace(self, points=points, levels=levels, coarser=self)

    @cached_property
    def _books(self) -> Accounts:
        """Leading axis n K."""
        lanes = _lanes(self.scheme, self.firm, self.points)
        return account(lanes, self.levels.reshape(-1, 4), bertrand_matrix)

    @cached_property
    def cost(self) -> Array:
        """(n, K): own investment cost at the truth."""
        return self._books.investment_cost[:, self.firm].reshape(self.levels.shape[:2])

    @cached_property
    def revenue(self) -> Array:
        """(n, K): variable profit."""
        return self._books.profit[:, self.firm].reshape(self.cost.shape) + self.cost

    @cached_property
    def subsidy(self) -> Array:
        """S_i, (n, K)."""
        books = self._books
        utility = (books.total_surplus + books.investment_cost).sum(-1)
        others = utility - books.investment_cost[:, 1 - self.firm]
        return np.asarray(others.reshape(self.cost.shape) - self.revenue)

    def costs(self, types: NDArray[np.intp], reports: NDArray[np.intp]) -> OwnTable:
        """Own investment costs (types, reports, K)."""
        case, parameter = self.scheme.case, self.scheme.types.parameter
        points, levels = self.points[types], self.levels[reports]
        return OwnTable(
            shape=(len(types), *levels.shape[:2]),
            part=lambda kinds, told: own_cost(
                case, parameter, self.firm, points[kinds], levels[told]
            ),
            asked_again=False,
        )

    @cached_property
    def expected_cost(self) -> Array:
        """(n, n): own investment cost in expectation, by true type and report."""
        every = np.arange(len(self.points))
        out, new = np.empty((len(every), len(every))), [(every, every)]
        if self.coarser is not None:
            out[::2, ::2] = self.coarser.expected_cost
            new = [(every[1::2], every), (every[::2], every[1::2])]
        for types, reports in new:
            costs = self.costs(types, reports)
            out[np.ix_(types, reports)] = costs.reduced(
                lambda _, __, part: part @ self.scheme.types.probabilities
            )
        return out

    @cached_property
    def outside(self) -> Array:
        """What staying out is worth in the case's own form."""
        options = self.scheme.options
        p = self.scheme.types.probabilities
        return staying_out(self, options.participation, options.timing, p)

    # In each form: `preparation.Fallback`.

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
        types = self.scheme.types
        grid = levels if self.firm == 0 else np.swapaxes(levels, 0, 1)
        nearest = np.abs(self.points[:, None] - types.of(self.firm)).argmin(1)
        start = grid[nearest][:, types.nodes].reshape(-1, 4)
        lanes = _lanes(self.scheme, self.firm, self.points)
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
    alike = scheme.case.symmetric() and scheme.types.common
    tables = [_on_grid(scheme, firm) for firm in ((0,) if alike else (0, 1))]
    history: list[tuple[float, float | None]] = []
    while True:
        found = [
            worst for table in tables if (worst := _firm(table, rule, net[table.firm])) is not None
        ]
        if not found:
            return Continuum(
                points=len(tables[0].points),
                change=None,
                payoff_range=float(Gains(earned=scheme.earned(options.payoff), transfer=net).range),
                incentive=options.incentive,
                timing=options.timing,
                ic=NOT_ESTABLISHED,
                ir=None if options.participation == "none" else NOT_ESTABLISHED,
            )
        scale = max(f.range for f in found)
        (liar,) = first_largest(np.array([f.gain for f in found]), scale)
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
        if settled or 2 * len(tables[0].points) - 1 > LARGEST_GRID:
            break
        tables = [table.finer for table in tables]
    tolerance = RELATIVE_TOLERANCE * scale

    def check(holds: bool, amount: float, witness: Lie | Refusal) -> Check:
        status: CheckStatus = "not_established" if not settled else "holds" if holds else "violated"
        return Check(status=status, amount=amount, witness=witness)

    ir = None
    if least is not None:
        (outsider,) = first_largest(-np.array(slacks), scale)
        where = found[outsider]
        ir = check(
            least >= -tolerance,
            least,
            Refusal(player=outsider, type=where.joiner, rival_type=where.rival, slack=least),
        )
    witness = Lie(player=liar, type=found[liar].type, report=found[liar].report, gain=gain)
    return Continuum(
        points=len(tables[0].points),
        change=max(changes) if changes else None,
        payoff_range=scale,
        incentive=options.incentive,
        timing=options.timing,
        ic=check(gain <= tolerance, gain, witness),
        ir=ir,
    )


def _firm(table: ReportTable, rule: TaxRule, grid: Array) -> Worst | None:
    """One firm's largest gain and smallest slack over a table's types and reports, at net transfers
    (M, M) on the grid; None where nobody can say what is paid there."""
    scheme, firm, points = table.scheme, table.firm, table.points
    types, options = scheme.types, scheme.options
    p, nodes = types.probabilities, types.nodes
    on_grid = OwnReports(
        points=types.of(firm),
        net=grid[:, nodes],
        others=scheme.assignment.subsidy[firm][:, nodes],
        weights=p,
    )
    net = rule.net_between(on_grid, points, table.subsidy)
    if net is None:
        return None
    own, earned, bears_cost = (
        table.assigned() + net,
        table.revenue + net,
        options.payoff != "printed",
    )
    expected = (earned @ p) - (table.expected_cost if bears_cost else np.zeros((len(points), 1)))
    gains = expected - np.diagonal(expected)[:, None]
    if options.incentive == "dominant":
        every = np.arange(len(points))
        gains = table.costs(every, every).reduced(
            lambda kinds, told, costs: (
                earned[told] - bears_cost * costs - own[kinds][:, None]
            ).max(-1)
        )
    scale = payoff_range(expected)
    kind, told = first_largest(gains, scale)
    least = joiner = rival = None
    if options.participation != "none":
        joins, stays = sides_of_joining(options.participation, own, net, table.outside)
        slack = joins - stays
        slack = slack if options.timing == "ex_post" else (slack @ p)[:, None]
        if np.isfinite(slack).all():
            at = first_largest(-slack, scale)
            least, joiner = float(slack.min()), float(points[at[0]])
            rival = float(types.types_of(1 - firm)[at[1]]) if options.timing == "ex_post" else None
    return Worst(
        gain=float(gains.max()),
        type=float(points[kind]),
        report=float(points[told]),
        range=scale,
        slack=least,
        joiner=joiner,
        rival=rival,
    )


def _on_grid(scheme: Scheme, firm: int) -> ReportTable:
    """What lies between the types is the same for every tax rule; it is worked out once."""
    if firm not in scheme.refined:
        types = scheme.types
        scheme.refined[firm] = ReportTable(
            scheme=scheme,
            firm=firm,
            points=types.of(firm),
            levels=scheme.assignment.levels[firm][:, types.nodes],
            coarser=None,
        )
    return scheme.refined[firm]


def _lanes(scheme: Scheme, firm: int, points: Array) -> Case:
    """One firm's points (n,) against the rival's nodes as lanes (n K) of a flat case."""
    types = scheme.types
    pairs = np.empty((len(points), len(types.nodes), 2))
    pairs[..., firm], pairs[..., 1 - firm] = points[:, None], types.types_of(1 - firm)
    flat = scheme.case.map(lambda a: a.reshape(1, -1))
    return flat.with_parameter(types.parameter, pairs.reshape(-1, 2))
