"""Policies at many cases at once: the figures `evaluate` gives for each case alone, as columns.

Rows are ordered by case, then by policy in the order asked. A policy is a regime or a tax rule. Without types a regime's row is its
outcome at the case's own cost spillovers, and a tax rule has nothing to ask. With types every row is an expectation over both
firms' types, as in the `comparison` of `evaluate`; a tax rule's row is what `evaluate` gives when the case asks for that rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.case import PARAMETERS, Array, Case, UnitCost
from market.outcome import SOLVED, account
from market.regimes import REGIMES, Outcomes, solve_markets, solve_regime
from mechanism.allocation import Allocation, allocate
from mechanism.behaviour import Expected, by_pair, expected_outcome, reporting_equilibrium
from mechanism.checks import participation, payoff_range
from mechanism.incentives import gains, incentive_check
from mechanism.many_types import OVER_BUDGET, block_size, solve_block
from mechanism.preparation import Setting, outcome_of_play, participation_sides, prepare, taxes
from mechanism.reported import TAX_RULES
from mechanism.schema import PolicyCase
from mechanism.tidy import welfare_net
from mechanism.transfers import DESIGNED, in_closed_form, no_design
from mechanism.types import TypeSpace, type_space

Columns = dict[str, NDArray[Any]]

TEXT = ("policy", "status", "message", "ic", "ir")
"""The columns that hold strings, the last two whether truth and participation hold under a tax rule; all others hold floats, NaN where no
number is claimed."""

PER_FIRM = ("sharing", "investment", "price", "profit")

NUMBERS = (
    *(f"{name}_{firm}" for name in PER_FIRM for firm in (1, 2)),
    "consumer_surplus",
    "welfare",
    "public_outlay",
    "welfare_net",
    "ic_max_gain",
    "ir_min_slack",
    "residual",
    "regret",
)
"""The columns of figures: money in the case's own unit, residual and regret over max(1, |payoff|). `welfare_net` is welfare less the case's
shadow cost of public funds for every unit that is paid out."""

RULES = (*TAX_RULES, DESIGNED)
"""The tax rules that can be asked for at many cases."""

CASE_BY_CASE = ("observed", "linear_subsidies", "vcg_full_information", "vcg_reported", "bayes_nash")
"""Policies that `evaluate` has and many cases at once have not."""

NOT_ASKED = "not_asked"
"""The status of a tax rule at a case without types, and of transfers that are not solved for under the case's options."""

NEEDS_TYPES = "a tax rule taxes reports: the case needs types"
"""Why a tax rule has no figures at a case whose cost spillovers are known."""


def solve_many(cases: Sequence[PolicyCase], policies: Sequence[str]) -> Columns:
    """Columns over rows (case-major, then policies in the order asked) of what each policy leads to at each case."""
    unknown = [policy for policy in policies if policy not in REGIMES and policy not in RULES]
    if unknown:
        raise ValueError(f"no such policy: {', '.join(unknown)}; there are {', '.join([*REGIMES, *RULES])}")
    rows = len(cases) * len(policies)
    out: Columns = {"policy": np.array(list(policies) * len(cases), object)}
    out |= {name: np.full(rows, "", object) for name in TEXT[1:]} | {name: np.full(rows, np.nan) for name in NUMBERS}
    width = len(policies)
    known = [i for i, case in enumerate(cases) if case.types is None]
    for group in groups([cases[i].market for i in known]):
        which = np.array([known[i] for i in group])
        market = stack([cases[i].market for i in which])
        for place, policy in enumerate(policies):
            at = which * width + place
            if policy in REGIMES:
                record_outcomes(out, at, market, policy, solve_markets(market, policy, len(which)))
            else:
                out["status"][at], out["message"][at] = NOT_ASKED, NEEDS_TYPES
    for same in _same_types(cases):
        _with_types(out, [cases[i] for i in same], same, policies)
    burden = np.repeat([case.mechanism.public_funds_cost for case in cases], width)
    out["welfare_net"] = welfare_net(out["welfare"], out["public_outlay"], burden)
    return out


def _same_types(cases: Sequence[PolicyCase]) -> list[list[int]]:
    """The positions of cases with types that can be solved together: the same types, options, cost form and likeness of the firms."""
    found: dict[Any, list[int]] = {}
    for i, case in enumerate(cases):
        if case.types is not None:
            market = case.market
            key = (case.types, case.mechanism, market.cost_form, market.unit_cost is None, market.alike())
            found.setdefault(key, []).append(i)
    return list(found.values())


def _with_types(out: Columns, cases: list[PolicyCase], at: list[int], policies: Sequence[str]) -> None:
    """Write the rows of cases with the same types: together where they are plain, each alone where they are not."""
    first, width = cases[0], len(policies)
    assert first.types is not None
    types, options = type_space(first.types), first.mechanism
    place = {policy: k for k, policy in enumerate(policies)}
    if DESIGNED in place and (reason := no_design(types, options)):
        rows = np.array(at) * width + place.pop(DESIGNED)
        out["status"][rows], out["message"][rows] = NOT_ASKED, reason
    alone = {policy: k for policy, k in place.items() if policy == DESIGNED and not in_closed_form(options)}
    shared = [policy for policy in place if policy not in alone]
    together = types.private_values and all(policy in RULES or REGIMES[policy].order == "together" for policy in shared)
    size = block_size(types)
    for start in range(0, len(cases), size):
        some, rows = cases[start : start + size], np.array(at[start : start + size]) * width
        plain = np.zeros(len(some), bool)
        if together:
            figures, plain = solve_block(stack([case.market for case in some]), types, options, shared)
            for policy, found in figures.items():
                here = rows[plain] + place[policy]
                out["status"][here] = "converged"
                for name, values in found.items():
                    if values.ndim == 2:
                        out[f"{name}_1"][here], out[f"{name}_2"][here] = values[plain, 0], values[plain, 1]
                    else:
                        out[name][here] = values[plain]
        for k, case in enumerate(some):
            left = alone if plain[k] else place
            if left:
                _one_with_types(out, int(rows[k]), case, left)


# --- stacking


def groups(markets: Sequence[Case]) -> list[list[int]]:
    """The positions of markets that one stacked `Case` can hold: the same cost form, and all or none with a unit cost."""
    found: dict[tuple[str, bool], list[int]] = {}
    for i, market in enumerate(markets):
        found.setdefault((market.cost_form, market.unit_cost is None), []).append(i)
    return list(found.values())


def stack(markets: Sequence[Case]) -> Case:
    """One flat case with a lane per market."""

    def joined(values: list[Array]) -> Array:
        flat = [value.reshape(-1) for value in values]
        width = max(len(value) for value in flat)
        return np.array([value if len(value) == width else np.repeat(value, width) for value in flat])

    first = markets[0]
    unit = None
    if first.unit_cost is not None:
        costs = [market.unit_cost for market in markets]
        unit = UnitCost(**{name: joined([getattr(cost, name) for cost in costs]) for name in vars(first.unit_cost)})
    return Case(
        **{name: joined([getattr(market, name) for market in markets]) for name in PARAMETERS}, cost_form=first.cost_form, unit_cost=unit
    )


# --- without types


def record_outcomes(out: Columns, at: NDArray[np.intp], market: Case, key: str, found: Outcomes) -> None:
    """Write a regime's outcomes in L markets into the rows `at` (L,)."""
    books = account(market, found.levels, REGIMES[key].prices)
    out["status"][at], out["message"][at] = found.status, found.message
    for firm in (0, 1):
        out[f"sharing_{firm + 1}"][at], out[f"investment_{firm + 1}"][at] = found.levels[:, firm], found.levels[:, 2 + firm]
        out[f"price_{firm + 1}"][at], out[f"profit_{firm + 1}"][at] = books.price[:, firm], books.profit[:, firm]
    out["consumer_surplus"][at], out["welfare"][at] = books.consumer_surplus.sum(-1), books.total_surplus.sum(-1)
    out["public_outlay"][at] = np.where(np.isfinite(out["welfare"][at]), 0.0, np.nan)
    out["residual"][at], out["regret"][at] = found.residual, found.regret


# --- with types


def _one_with_types(out: Columns, start: int, case: PolicyCase, place: Mapping[str, int]) -> None:
    """Write the rows of these policies, in their places after `start`, at one case."""
    assert case.types is not None
    types = type_space(case.types)
    wanted = {*RULES, "social_optimum", "nash"} & set(place)
    setting = prepare(case.market, types, case.mechanism) if wanted else None
    for policy, k in place.items():
        row = start + k
        if policy == DESIGNED and setting is not None:
            _designed_row(out, row, setting)
        elif policy in RULES:
            _rule_row(out, row, setting, policy, case.market)
        else:
            _benchmark_row(out, row, case.market, types, policy, setting)


def _record_expected(out: Columns, row: int, expected: Expected) -> None:
    kept = expected.profit + expected.net_transfer
    for firm in (0, 1):
        for name, values in (
            ("sharing", expected.sharing),
            ("investment", expected.investment),
            ("price", expected.price),
            ("profit", kept),
        ):
            out[f"{name}_{firm + 1}"][row] = values[firm]
    out["consumer_surplus"][row], out["welfare"][row], out["public_outlay"][row] = (
        expected.consumer_surplus,
        expected.welfare,
        expected.budget,
    )


def _benchmark_row(out: Columns, row: int, market: Case, types: TypeSpace, key: str, setting: Setting | None) -> None:
    """A regime's expectation over types, each benchmark chosen with the types known."""
    nodes = np.ix_(types.nodes, types.nodes)
    if key == "nash" and setting is not None:
        levels, residual, regret = setting.market.levels[nodes], setting.market.residual[nodes], setting.market.regret[nodes]
    elif key == "social_optimum" and setting is not None:
        levels = setting.assignment.levels[0][nodes]
        residual, regret = np.full(1, setting.residual), np.full(1, np.nan)
    else:
        found = (
            allocate(market, types.types, key, types.parameter)
            if REGIMES[key].order == "together"
            else _staged_at_pairs(market, types, key)
        )
        levels, residual, regret = found.levels, found.residual, found.regret
    if not np.isfinite(levels).all():
        alone = solve_regime(market, key)
        out["status"][row] = "not_converged" if alone.status in SOLVED else alone.status
        out["message"][row] = alone.message or "no solution was found at some pair of types"
        return
    expected = expected_outcome(market, types, levels, rule=REGIMES[key].prices)
    if not expected.describes_market:
        out["status"][row], out["message"][row] = "infeasible", "prices or quantities are negative at some pair of types"
        return
    out["status"][row] = "converged"
    _record_expected(out, row, expected)
    out["residual"][row], out["regret"][row] = residual.max(), regret.max()


def _designed_row(out: Columns, row: int, setting: Setting) -> None:
    """The transfers solved for, by a linear program of their own."""
    from mechanism.asymmetric_information import run_rule

    found = run_rule(setting, DESIGNED)
    if found is None:
        out["status"][row], out["message"][row] = "not_converged", "no transfers were found that do what the case asks of them"
        return
    form, checks = setting.options.participation, found.tree["checks"]
    out["ic_max_gain"][row], out["ic"][row] = checks["ic"]["max_gain"], checks["ic"]["status"]
    if form != "none":
        slack = checks[form]["min_slack"]
        out["ir_min_slack"][row], out["ir"][row] = np.nan if slack is None else slack, checks[form]["status"]
    out["residual"][row] = setting.residual
    out["status"][row] = "converged" if found.achieved is not None else "no_equilibrium"
    if found.achieved is not None:
        _record_expected(out, row, found.achieved)
    if found.tree["design"]["status"] == "infeasible":
        out["message"][row] = OVER_BUDGET


def _staged_at_pairs(market: Case, types: TypeSpace, key: str) -> Allocation:
    """A game in stages at every pair of types, each pair alone."""
    points = types.types
    first, second = (a.ravel() for a in np.meshgrid(points, points, indexing="ij"))
    one = market.map(lambda a: a.reshape(1, -1))
    found = solve_markets(one.with_parameter(types.parameter, np.column_stack([first, second])), key, len(first))
    shape = (len(points), len(points))
    return Allocation(
        levels=found.levels.reshape(*shape, 4),
        residual=found.residual.reshape(shape),
        regret=found.regret.reshape(shape),
        several=np.zeros(shape, bool),
        plain=np.asarray(found.solved.all()),
    )


def _rule_row(out: Columns, row: int, setting: Setting | None, rule: str, market: Case) -> None:
    """One tax rule: incentives and participation in the case's own forms, and what firms then do."""
    if setting is None:
        alone = solve_regime(market, "social_optimum")
        out["status"][row] = "not_converged" if alone.status in SOLVED else alone.status
        out["message"][row] = alone.message or "some pair of reports has no social optimum"
        return
    types, options, assignment = setting.types, setting.options, setting.assignment
    tax = taxes(setting, rule)
    net = assignment.subsidy - tax
    own = gains(assignment, tax, options.payoff)
    check = incentive_check(own, types.points, options.incentive, own.range)
    out["ic_max_gain"][row], out["ic"][row] = np.nan if check.amount is None else check.amount, check.status
    if options.participation != "none":
        sides = participation_sides(setting, own, net, options.participation, options.timing)
        joins = None if sides is None else participation(*sides, types.points, payoff_range(own.truth_ex_post))
        out["ir_min_slack"][row] = np.nan if joins is None or joins.amount is None else joins.amount
        out["ir"][row] = "not_established" if joins is None else joins.status
    out["residual"][row] = setting.residual
    achieved: Expected | None
    if check.status == "holds":
        levels = assignment.levels[0][np.ix_(types.nodes, types.nodes)]
        achieved = expected_outcome(setting.case, types, levels, by_pair(net, types.nodes, types.nodes))
    else:
        achieved = outcome_of_play(setting, net, reporting_equilibrium(assignment, tax, options.payoff))
    out["status"][row] = "converged" if achieved is not None else "no_equilibrium"
    if achieved is None:
        out["message"][row] = "best replies in reports cycle"
    else:
        _record_expected(out, row, achieved)
