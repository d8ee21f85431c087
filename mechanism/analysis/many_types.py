"""Many cases with private types at once: what policies come to at them, before they are ranked.

All cases share types, options and cost form. Levels at all pairs of types are found for all of them
together. Where everything is plain, standings are worked out from few points; a case where anything
is not (several optima, levels that jump, best replies in reports that cycle, a private market that
does not settle) is looked at everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import SOLVED, Outcome
from market.model.pricing import PriceRule, bertrand_matrix
from market.regimes import REGIMES, solve_lanes, solve_markets
from market.regimes.record import outcome_at
from mechanism.casefile.policies import GOAL, PRIVATE_MARKET, TODAY, Policy
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.standard import standard_of
from mechanism.casefile.types import TypeSpace
from mechanism.design.options import NO_TRANSFERS, by_formula
from mechanism.design.rules import DESIGNED, TAX_RULES, TaxRule
from mechanism.frozen import put
from mechanism.ranking.attainable import one_order
from mechanism.ranking.contenders import (
    NOT_ASKED,
    Standing,
    fixed_rates,
    nothing,
    one_standing,
    rates_at,
    rates_standing,
)
from mechanism.scheme.allocation import Allocation
from mechanism.scheme.behaviour import ExpectedOutcome, expected_outcome
from mechanism.scheme.judge import Judged, judge
from mechanism.scheme.preparation import Scheme, over_pairs, private_regime, scheme_at
from mechanism.scheme.private_market import PrivateEquilibrium, expected_under
from mechanism.scheme.rule_results import NOT_SETTLED
from mechanism.scheme.solved import OVER_BUDGET, transfers_of
from mechanism.scheme.transfers import no_design

LANES = 120_000
"""Pairs of types that are solved together."""
AT_ONCE = 500_000
"""Payoffs by true type and both reports at which rules are judged together."""


def compared_options(options: MechanismOptions) -> MechanismOptions:
    """The options under which transfers are solved for where policies are compared: those of the
    least outlay at the planner's levels, without a limit to it, since the standard prices it."""
    return replace(options, objective="min_outlay", allocation="efficient", budget="none")


Index = NDArray[np.intp]

Levels = tuple[dict[str, Allocation], dict[str, Allocation]]
"""By regime, at all points at which incentives are checked and at the types."""


def solve_private(
    case: Case, types: TypeSpace, options: MechanismOptions, policies: Sequence[Policy]
) -> list[tuple[Index, dict[str, Standing]]]:
    """What policies, and today's market, come to at C markets of a flat case: which markets, and
    the standings at them, first where everything is plain, then at the others, each searched
    thoroughly."""
    C, size = len(case.cost_scale), max(1, min(1000, LANES // types.size**2))
    parts = []
    for lanes in (np.arange(k, min(k + size, C)) for k in range(0, C, size)):
        for some, found in _solved(case.take(lanes), types, options, policies):
            parts.append((lanes[some], found))
    return parts


def _solved(
    case: Case, types: TypeSpace, options: MechanismOptions, policies: Sequence[Policy]
) -> Iterator[tuple[Index, dict[str, Standing]]]:
    """The same of markets that are taken at once."""
    levels = _levels(case, types, options, policies)
    each = [found.plain for at in levels for found in at.values()]
    plain = np.all([np.ones(len(case.cost_scale), bool), *each], axis=0)
    if plain.any():
        lanes = np.flatnonzero(plain)
        here, known = case.take(lanes), _taken(levels, lanes)
        found, fine = _standings(here, types, options, policies, known, plain=True)
        plain[lanes[~fine]] = False
        yield lanes[fine], found
    rest = np.flatnonzero(~plain)
    if not len(rest):
        return
    here, (at_points, at_types) = case.take(rest), _taken(levels, rest)
    if TODAY not in at_points:
        at_points[TODAY] = over_pairs(here, types.points, TODAY, types.parameter)
    solved = np.ones(len(rest), bool)
    if GOAL in at_points:
        solved &= np.isfinite(at_points[GOAL].levels).all((1, 2, 3))
    groups = np.flatnonzero(solved), np.flatnonzero(~solved)
    for some in (group for group in groups if len(group)):
        known = _taken((at_points, at_types), some)
        found, _ = _standings(here.take(some), types, options, policies, known, plain=False)
        yield rest[some], found


def _taken(levels: Levels, lanes: Index) -> Levels:
    """Levels in some of many markets."""
    at_points, at_types = ({key: a.take(lanes) for key, a in at.items()} for at in levels)
    return at_points, at_types


def _beyond(policies: Sequence[Policy]) -> list[Policy]:
    """Policies that rest on more than a regime's levels."""
    return [policy for policy in policies if policy.source not in ("regime", "private_market")]


def _standings(
    case: Case,
    types: TypeSpace,
    options: MechanismOptions,
    policies: Sequence[Policy],
    levels: Levels,
    plain: bool,
) -> tuple[dict[str, Standing], NDArray[np.bool_]]:
    """What policies, and today's market, come to at C markets whose levels are known, and at which:
    with `plain` those where everything is, the arrays having their lanes; without it all. The
    planner's problem is solved in all of them or, where rules are asked for, in none."""
    at_points, at_types = levels
    beyond, C = _beyond(policies), len(case.cost_scale)
    no_goal = bool(beyond) and not at_points[GOAL].solved
    out = {
        key: _regime(case, types, key, levels_of)
        for key, levels_of in at_types.items()
        if key != GOAL or not no_goal
    }
    out |= {
        policy.key: market_standing(
            case, types, private_regime(case, types, policy.key, plain=plain)
        )
        for policy in policies
        if policy.source == "regime" and played_privately(policy.key)
    }
    nash = at_types[TODAY].levels if plain and TODAY in at_types else None
    scheme = None
    if beyond and not no_goal:
        scheme = scheme_at(case, types, options, at_points[GOAL], at_points.get(TODAY), plain, nash)
        today = scheme.private_market
    else:
        near = nash if plain else at_points[TODAY].levels
        today = private_regime(case, types, TODAY, near, plain)
        if no_goal:
            each = np.arange(C)[:, None]
            out[GOAL] = joined(
                [no_plan(case.take(k), types, at_points[GOAL].take(k)) for k in each]
            )
    out[PRIVATE_MARKET] = market_standing(case, types, today)
    asked = [
        policy
        for policy in beyond
        if scheme is None or policy.source in ("full_information", "rule", "own_rule")
    ]
    out |= _at_reports(asked, scheme, out[GOAL])
    fine = np.ones(C, bool)
    if plain:
        settled = [np.isin(a.status.astype(str), [*SOLVED, NOT_ASKED]) for a in out.values()]
        fine = np.all(settled, axis=0)
    good = np.flatnonzero(fine)
    out = {key: found.take(good) for key, found in out.items()}
    if scheme is not None and len(good):
        out |= {
            policy.key: _one_by_one(_ONE_BY_ONE[policy.source], scheme, out[PRIVATE_MARKET], good)
            for policy in beyond
            if policy.source in _ONE_BY_ONE
        }
        out |= {
            policy.key: _fixed_rates(scheme, good) for policy in beyond if policy.source == "rates"
        }
    return out, fine


def _levels(
    case: Case, types: TypeSpace, options: MechanismOptions, policies: Sequence[Policy]
) -> Levels:
    """Levels of the policies' regimes: where more than regimes is asked, the planner's (and
    today's, where firms join knowing both types) at all points at which incentives are checked;
    and all of them at the types."""
    beyond = bool(_beyond(policies))
    regimes = [policy.key for policy in policies if policy.source == "regime"] + [GOAL] * beyond
    regimes = [key for key in dict.fromkeys(regimes) if not played_privately(key)]
    ex_post = options.participation == "ir_market" and options.timing == "ex_post"

    def over(points: Array, key: str) -> Allocation:
        return over_pairs(case, points, key, types.parameter)

    needed = {GOAL: beyond, TODAY: beyond and ex_post}
    at_points = {key: over(types.points, key) for key, wanted in needed.items() if wanted}
    square = np.ix_(np.arange(len(case.cost_scale)), types.nodes, types.nodes)
    at_types = {
        key: at_points[key].take(square) if key in at_points else over(types.types, key)
        for key in regimes
    }
    return at_points, at_types


def _at_reports(
    policies: Sequence[Policy], scheme: Scheme | None, goal: Standing
) -> dict[str, Standing]:
    """What rests on the planner's levels at all reports; without a scheme there are none. Rules
    are judged at a few cases at a time, whose tables of payoffs fill a processor's cache."""
    if scheme is None:
        return {policy.key: no_levels(goal) for policy in policies}
    out = {policy.key: goal for policy in policies if policy.source == "full_information"}
    rules = [policy for policy in policies if policy.source in ("rule", "own_rule")]
    if not rules:
        return out
    cases = np.arange(scheme.lead[0])
    size = max(1, AT_ONCE // scheme.types.size**3)
    each = [_ruled(rules, scheme.take(cases[k : k + size])) for k in range(0, len(cases), size)]
    return out | {policy.key: joined([some[policy.key] for some in each]) for policy in rules}


def _ruled(rules: Sequence[Policy], scheme: Scheme) -> dict[str, Standing]:
    """What firms end up with under each of these rules."""
    least = replace(scheme, options=compared_options(scheme.options))
    own = TAX_RULES[scheme.options.tax_rule]
    return {
        rule.key: rule_standing(scheme, own)
        if rule.source == "own_rule"
        else rule_standing(least, TAX_RULES[rule.key])
        for rule in rules
    }


def _one_by_one(
    of: Callable[[Scheme, Standing, int], Standing],
    scheme: Scheme,
    market: Standing,
    lanes: Index,
) -> Standing:
    """What is solved at one market after another, at these lanes; today's market is known there."""
    return joined([of(scheme.lane(int(lane)), market, k) for k, lane in enumerate(lanes)])


# --- what each comes to


def _regime(case: Case, types: TypeSpace, key: str, found: Allocation) -> Standing:
    """A regime in expectation over types at C markets, each pair's levels chosen with the types
    known."""
    solved = np.asarray(np.isfinite(found.levels).all((1, 2, 3)))
    status, message = (np.full(len(solved), text, object) for text in ("converged", ""))
    for lane, alone in _alone(case, np.flatnonzero(~solved), key):
        status[lane] = "not_converged" if alone.status in SOLVED else alone.status
        message[lane] = alone.message or "no solution was found at some pair of types"
    proof = {name: getattr(found, name).max((1, 2)) for name in ("residual", "regret")}
    return expected_standing(case, types, found.levels, status, message, proof, REGIMES[key].prices)


def _alone(case: Case, lanes: Index, key: str) -> Iterator[tuple[int, Outcome]]:
    """The outcomes of a regime at some of the markets as they are, types aside."""
    if len(lanes):
        here, regime = case.take(lanes), REGIMES[key]
        found = solve_lanes(here, regime, len(lanes), prove=True, leaving=True)
        for k, lane in enumerate(lanes):
            yield int(lane), outcome_at(here.take([k]), regime, found, k)


def expected_standing(
    case: Case,
    types: TypeSpace,
    levels: Array,
    status: NDArray[np.object_],
    message: NDArray[np.object_],
    proof: dict[str, Array],
    prices: PriceRule = bertrand_matrix,
) -> Standing:
    """Expectations at levels (C, K, K, 4) where the status says they are solved; where some pair
    describes no market none are claimed."""
    return _claimed(expected_outcome(case, types, levels, rule=prices), status, message, proof)


def _claimed(
    expected: ExpectedOutcome,
    status: NDArray[np.object_],
    message: NDArray[np.object_],
    proof: dict[str, Array],
) -> Standing:
    claimed = np.isin(status.astype(str), list(SOLVED))
    none = claimed & ~np.asarray(expected.describes_market)
    status = np.where(none, "infeasible", status).astype(object)
    message = np.where(
        none, "prices or quantities are negative at some pair of types", message
    ).astype(object)
    claimed &= ~none
    columns = {"message": message} | {
        name: np.where(claimed, values, np.nan) for name, values in proof.items()
    }
    return Standing(status=status, expected=where_claimed(expected, claimed), columns=columns)


def market_standing(case: Case, types: TypeSpace, found: PrivateEquilibrium) -> Standing:
    """A market at C cases in which every firm knows its own type alone."""
    status = np.where(found.converged, "converged", "no_equilibrium").astype(object)
    message = np.where(found.converged, "", NOT_SETTLED).astype(object)
    proof = {"residual": found.residual, "regret": found.regret}
    return _claimed(expected_under(case, types, found), status, message, proof)


def played_privately(key: str) -> bool:
    """Whether a regime is a game that firms play knowing their own type alone; today's market known
    to all stands beside the one they play as a benchmark."""
    regime = REGIMES[key]
    return key != TODAY and not regime.sole and not regime.staged


def ordered(scheme: Scheme, market: Standing, lane: int = 0) -> Standing:
    """The levels ordered at one case whatever its types, today's market being a lane of what is
    known of many."""
    types = scheme.types
    middle = int(types.nodes[len(types.nodes) // 2])
    today = np.concatenate([market.expected.sharing[lane], market.expected.investment[lane]])
    starts = [
        x for x in (scheme.assignment.levels[0, middle, middle], today) if np.isfinite(x).all()
    ]
    floor = float(market.expected.consumer_surplus[lane])
    x = one_order(scheme.case, types, standard_of(scheme.options), starts, floor)
    if x is None:
        return one_standing(
            None,
            missing="not_converged",
            why="no levels were found that leave every type and consumers what they must have",
        )
    K = len(types.nodes)
    return one_standing(
        expected_outcome(scheme.case, types, np.broadcast_to(x, (K, K, 4))), missing=""
    )


def where_claimed(expected: ExpectedOutcome, claimed: NDArray[np.bool_]) -> ExpectedOutcome:
    """Expectations (C, ...) where they are claimed, NaN elsewhere."""
    return put(
        nothing(len(claimed)), np.flatnonzero(claimed), expected.take(np.flatnonzero(claimed))
    )


def no_plan(case: Case, types: TypeSpace, found: Allocation | None = None) -> Standing:
    """The planner at one market where some pair of reports has no social optimum: that pair's
    status and reason, whatever the types at the nodes have. `found` are the levels at all pairs of
    points, where they are known."""
    if found is None:
        found = over_pairs(case, types.points, GOAL, types.parameter)
    points, status, reason = found.missing[0]
    why = f"where firms report {points[0]:g} and {points[1]:g}: {reason}"
    return one_standing(None, missing=status, why=why)


def no_levels(goal: Standing) -> Standing:
    """What rests on the planner's levels where some pair of reports has none."""
    why = np.full(len(goal.status), "some pair of reports has no social optimum", object)
    return Standing(status=goal.status, expected=nothing(len(why)), columns={"message": why})


def not_asked(cases: int, why: str) -> Standing:
    """What has nothing to ask at C cases."""
    return Standing(
        status=np.full(cases, NOT_ASKED, object),
        expected=nothing(cases),
        columns={"message": np.full(cases, why, object)},
    )


def why_not_asked(rule: TaxRule, types: TypeSpace, options: MechanismOptions) -> str | None:
    """Why a tax rule has nothing to ask at these types and options; None where it has."""
    if rule.observed and types.private_values:
        return (
            "of use only where both types move both profits: the market that comes about shows"
            " nothing else that reports do not"
        )
    why = no_design(types, options) if rule.designed else by_formula(rule.key, options.allocation)
    return None if why is None else why.text


def rule_standing(scheme: Scheme, rule: TaxRule) -> Standing:
    """What firms end up with under a tax rule at C markets, under the scheme's own options."""
    cases = scheme.lead[0] if scheme.lead else 1
    if why := why_not_asked(rule, scheme.types, scheme.options):
        return not_asked(cases, why)
    if rule.designed and scheme.options.allocation == "second_best":
        each = [_drawn(scheme.lane(c) if scheme.lead else scheme, rule) for c in range(cases)]
        return joined([_judged(*one) for one in each])
    transfers = transfers_of(scheme, rule)
    judged = judge(scheme, rule, np.nan_to_num(transfers.net))
    return _judged(scheme, judged, transfers.found, transfers.over_budget)


def attainable_at_reports(scheme: Scheme, market: Standing, lane: int = 0) -> Standing:
    """The most that anything attains which rests on reports, at one case, today's market being a
    lane of what is known of many."""
    from mechanism.scheme.second_best import most_at_reports

    floor = float(market.expected.consumer_surplus[lane])
    drawn = most_at_reports(scheme, standard_of(scheme.options), floor)
    if drawn is None:
        return not_asked(1, NO_TRANSFERS.text)
    judged = judge(drawn, TAX_RULES[DESIGNED], drawn.design.net)
    return _judged(drawn, judged, np.array(True), np.array(False))


_ONE_BY_ONE: Mapping[str, Callable[[Scheme, Standing, int], Standing]] = {
    "imposed": ordered,
    "attainable": attainable_at_reports,
}
"""What is solved at one market after another, by the source of its policy."""


def _drawn(
    scheme: Scheme, rule: TaxRule
) -> tuple[Scheme, Judged, NDArray[np.bool_], NDArray[np.bool_]]:
    """The second best at one market."""
    from mechanism.scheme.second_best import lottery_scheme

    drawn = lottery_scheme(scheme)
    found, over = (
        np.array(drawn is not None),
        np.array(drawn is not None and drawn.design.status == "infeasible"),
    )
    if drawn is None:
        return scheme, judge(scheme, rule, np.zeros(scheme.assignment.utility.shape)), found, over
    return drawn, judge(drawn, rule, drawn.design.net), found, over


def _judged(
    scheme: Scheme, judged: Judged, found: NDArray[np.bool_], over_budget: NDArray[np.bool_]
) -> Standing:
    """What was judged at one market or many, where there are transfers."""
    settled = np.atleast_1d(found & judged.settled)
    nothing_said = np.where(found, "best replies in reports cycle", NO_TRANSFERS.text)
    nothing_said = np.where(
        found & np.array(judged.rule.observed),
        "truth is no best reply, and what is reported instead is not said",
        nothing_said,
    )
    status = np.where(
        found & judged.settled, "converged", np.where(found, "no_equilibrium", "not_converged")
    )
    columns = {
        "message": (
            np.where(
                found & judged.settled, np.where(over_budget, OVER_BUDGET, ""), nothing_said
            ).astype(object)
        ),
        "ic_max_gain": np.where(found, judged.gain, np.nan),
        "ic": np.where(found, judged.ic, "").astype(object),
        "ir_min_slack": np.where(found, judged.slack, np.nan),
        "ir": np.where(found, "" if judged.ir is None else judged.ir, "").astype(object),
        "residual": np.where(found, scheme.residual, np.nan),
    }
    expected = judged.achieved if scheme.lead else judged.achieved.lane
    return Standing(
        status=np.atleast_1d(status.astype(object)),
        expected=where_claimed(expected, settled),
        least=judged.least.reshape(-1, 2),
        worst=judged.worst.reshape(-1, 2),
        columns={name: np.atleast_1d(values) for name, values in columns.items()},
    )


def joined(parts: Sequence[Standing]) -> Standing:
    """Standings of some cases each, one after the other."""
    least, worst = (
        None if parts[0].least is None else np.concatenate([getattr(part, name) for part in parts])
        for name in ("least", "worst")
    )
    expected = ExpectedOutcome.joined([part.expected for part in parts])
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    status = np.concatenate([part.status for part in parts])
    return Standing(status=status, expected=expected, least=least, worst=worst, columns=columns)


def _fixed_rates(scheme: Scheme, lanes: Index) -> Standing:
    """Subsidies per unit that are fixed before types are drawn, at some of the markets; looked for
    from those for the planner's levels at each market's own parameters too."""
    known = solve_markets(scheme.case.take(lanes), GOAL, len(lanes)).levels
    starts = rates_at(scheme.case.take(lanes), known).rates
    each = [
        fixed_rates(scheme.lane(int(lane)), start if np.isfinite(start).all() else None)
        for lane, start in zip(lanes, starts, strict=True)
    ]
    return joined([rates_standing(found) for found in each])
