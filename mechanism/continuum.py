"""Truth-telling and participation between the types of a grid, for cost spillovers drawn from an interval.

A program or a table holds a mechanism to account on a grid. Here types and reports are refined together, by halving the steps, until the
largest gain and the smallest slack change by less than 1e-6 of the payoff range. Levels at reports between grid points are the planner's,
solved for anew; a tax with a formula is the formula's there, transfers that were solved for are linear in the report between grid points.
Expectations stay those over the prior's nodes, and the rival's types are those nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from market.case import Array, Case
from market.outcome import account
from market.payoff import Payoff
from market.pricing import bertrand_matrix, utility_matrix
from market.regimes import BOTH, REGIMES, firm_game, level_bounds
from market.solve.equilibrium import newton
from market.solve.optimum import maximise
from mechanism.checks import RELATIVE_TOLERANCE, Check, CheckStatus, payoff_range
from mechanism.preparation import Setting, joining_against, taxes
from mechanism.private_market import at_types
from mechanism.reported import own_cost
from mechanism.results import Continuum

SETTLED = 1e-6
"""Share of the payoff range below which a change no longer counts."""
LARGEST_GRID = 1500
"""Points per firm beyond which steps are not halved again."""


@dataclass(frozen=True)
class Table:
    """One firm's accounts at its reports (n,) and its rival's types (K,)."""

    levels: Array
    """(n, K, 4), in the firms' own order."""
    before: Array
    """Payoff before own cost and tax: U - f_j, (n, K)."""
    subsidy: Array
    """S_i, (n, K)."""


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


def between(setting: Setting, rule: str, net: Array | None = None) -> Continuum:
    """The largest gain and the smallest slack over the whole support, by firm the worse, in the case's own forms.

    `net` (2, M, M) are the net transfers on the grid of a rule without a formula.
    """
    options = setting.options
    grid = net if net is not None else setting.assignment.subsidy - taxes(setting, rule)
    points = setting.types.points
    history: list[tuple[float, float | None]] = []
    while True:
        found = [_firm(setting, firm, points, rule, grid[firm]) for firm in ((0,) if setting.case.alike() else (0, 1))]
        scale = max(f.range for f in found)
        liar = max(range(len(found)), key=lambda i: found[i].gain)
        gain = found[liar].gain
        slacks = [f.slack for f in found if f.slack is not None]
        asked = options.participation != "none" and len(slacks) == len(found)
        least = min(slacks) if asked else None
        history.append((gain, least))
        changes = [] if len(history) < 2 else [abs(history[-1][0] - history[-2][0]), abs((least or 0.0) - (history[-2][1] or 0.0))]
        settled = bool(changes) and max(changes) <= SETTLED * scale
        if settled or 2 * len(points) - 1 > LARGEST_GRID:
            break
        points = np.sort(np.concatenate([points, (points[1:] + points[:-1]) / 2]))
    tolerance = RELATIVE_TOLERANCE * scale

    def check(holds: bool, amount: float, witness: dict[str, Any]) -> Check:
        status: CheckStatus = "not_established" if not settled else "holds" if holds else "violated"
        return Check(status=status, amount=amount, witness=witness)

    ir = None
    if least is not None:
        outsider = next(i for i, f in enumerate(found) if f.slack == least)
        where = found[outsider]
        rival = {} if where.rival is None else {"rival_type": where.rival}
        ir = check(least >= -tolerance, least, {"firm": outsider + 1, "type": where.joiner, **rival, "slack": least})
    witness = {"firm": liar + 1, "type": found[liar].type, "report": found[liar].report, "gain": gain}
    return Continuum(
        points=len(points),
        change=max(changes) if changes else None,
        payoff_range=scale,
        incentive=options.incentive,
        timing=options.timing,
        ic=check(gain <= tolerance, gain, witness),
        ir=ir,
    )


def _firm(setting: Setting, firm: int, points: Array, rule: str, grid: Array) -> Worst:
    """One firm's largest gain and smallest slack over types and reports at these points."""
    types, options = setting.types, setting.options
    p = types.probabilities
    table = _table(setting, firm, points)
    net = _net(setting, firm, points, rule, grid, table)
    V = table.before + net - table.subsidy  # less tax
    if options.payoff == "printed":
        full = np.broadcast_to(V, (len(points), *V.shape))
    else:
        full = V - own_cost(setting.assignment.case, firm, points, table.levels)  # (n types, n reports, K)
    index = np.arange(len(points))
    own = full[index, index]
    expected = full @ p
    gains = expected - expected[index, index][:, None] if options.incentive == "bayesian" else (full - own[:, None]).max(-1)
    kind, told = np.unravel_index(int(gains.argmax()), gains.shape)
    sides = _participation(setting, firm, points, own, net, table)
    least = joiner = rival = None
    if sides is not None:
        slack = sides if options.timing == "ex_post" else (sides @ p)[:, None]
        at = np.unravel_index(int(slack.argmin()), slack.shape)
        least, joiner = float(slack.min()), float(points[at[0]])
        rival = float(types.types[at[1]]) if options.timing == "ex_post" else None
    return Worst(
        gain=float(gains.max()),
        type=float(points[kind]),
        report=float(points[told]),
        range=payoff_range(expected),
        slack=least,
        joiner=joiner,
        rival=rival,
    )


def _table(setting: Setting, firm: int, points: Array) -> Table:
    """The planner's levels at the reports (n,) and the rival's nodes, from the nearest levels on the grid on either side."""
    types, assignment = setting.types, setting.assignment
    nodes, case = types.nodes, assignment.case
    n, K = len(points), len(nodes)
    lanes, _ = _pairs(setting, firm, points, assignment.levels[firm])
    payoff = Payoff(case=lanes, benefit=utility_matrix(case, bertrand_matrix), cost_weight=BOTH)
    lower, upper = level_bounds(case, n * K)
    above = np.clip(np.searchsorted(types.points, points), 1, len(types.points) - 1)
    best, value = None, np.full(n * K, -np.inf)
    for side in (above - 1, above):
        start = assignment.levels[firm][side][:, nodes].reshape(-1, 4)
        found = maximise(payoff, start, lower, upper)
        better = found.value > value + 1e-12 * np.maximum(1.0, np.abs(value)) if best is not None else np.ones(n * K, bool)
        best = found.x.copy() if best is None else np.where(better[:, None], found.x, best)
        value = np.where(better, found.value, value)
    assert best is not None
    books = account(lanes, best, bertrand_matrix)
    revenue = (books.profit + books.investment_cost)[:, firm].reshape(n, K)
    utility = (books.total_surplus + books.investment_cost).sum(-1).reshape(n, K)
    rival_cost = books.investment_cost[:, 1 - firm].reshape(n, K)
    return Table(levels=best.reshape(n, K, 4), before=utility - rival_cost, subsidy=utility - revenue - rival_cost)


def _net(setting: Setting, firm: int, points: Array, rule: str, grid: Array, table: Table) -> Array:
    """Net transfers (n, K) at reports between grid points."""
    types = setting.types
    nodes, p = types.nodes, types.probabilities
    if rule == "printed":
        return np.zeros_like(table.subsidy)
    first = grid[0, nodes]  # at the lowest report on the grid
    base = setting.assignment.subsidy[firm][0, nodes]
    if rule in ("groves", "worst_type"):
        return table.subsidy - (base - first)
    if rule == "agv":
        return (table.subsidy @ p)[:, None] + (first - base @ p)
    return np.stack([np.interp(points, types.points, column) for column in grid[:, nodes].T], -1)


def _participation(setting: Setting, firm: int, points: Array, own: Array, net: Array, table: Table) -> Array | None:
    """What joining is worth beyond staying out, (n, K) by own type and the rival's; None where that is not asked or not known."""
    options, types = setting.options, setting.types
    if options.participation == "ir1":
        return net
    if options.participation == "ir2":
        return own
    if options.participation == "none" or joining_against(setting) is None:
        return None
    if options.timing == "ex_post":
        lanes, start = _pairs(setting, firm, points, setting.market.levels if firm == 0 else np.swapaxes(setting.market.levels, 0, 1))
        x = newton(firm_game(lanes, REGIMES["nash"]), start)
        if not np.isfinite(x).all():
            return None
        books = account(lanes, x, bertrand_matrix)
        earned = books.profit + (books.investment_cost if options.payoff == "printed" else 0.0)
        return own - earned[:, firm].reshape(own.shape)
    assert setting.private is not None
    profit, cost = at_types(setting.case, types, firm, setting.private, points)
    return own - (profit + (cost if options.payoff == "printed" else 0.0))[:, None]


def _pairs(setting: Setting, firm: int, points: Array, grid: Array) -> tuple[Case, Array]:
    """One firm's points (n,) against the rival's nodes as lanes of a flat case, and for each the levels (n K, 4) of the nearest point of
    a grid (M, M, 4), its own point on the first axis."""
    types = setting.types
    spill = np.empty((len(points), len(types.nodes), 2))
    spill[..., firm], spill[..., 1 - firm] = points[:, None], types.types
    nearest = np.abs(points[:, None] - types.points).argmin(1)
    return setting.assignment.case.with_cost_spillover(spill.reshape(-1, 2)), grid[nearest][:, types.nodes].reshape(-1, 4)
