"""One case end to end: regimes, mechanism, checks, policies side by side and ranked, verdicts.
`mechanism.report.evaluation_tree` gives its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.model.case import Case
from market.model.outcome import Outcome
from market.regimes import REGIMES, solve_regime, solve_regimes
from mechanism.analysis.many_types import (
    attainable_at_reports,
    compared_options,
    expected_standing,
    market_standing,
    no_levels,
    no_plan,
    not_asked,
    ordered,
    played_privately,
    rule_standing,
)
from mechanism.analysis.over_parameters import over_parameters
from mechanism.analysis.overturn import over_standards
from mechanism.casefile.policies import GOAL, PRIVATE_MARKET, TODAY, Policy, compared, today
from mechanism.casefile.policy_case import PolicyCase
from mechanism.casefile.standard import SMALL_GAIN, standard_of, welfare_net
from mechanism.casefile.types import TypeSpace, type_space
from mechanism.design.options import NO_LEVELS, WhyNot
from mechanism.design.rules import TAX_RULES
from mechanism.ranking.contender import Contender
from mechanism.ranking.contenders import (
    Standing,
    as_found,
    fixed_rates,
    known_policies,
    one_standing,
    rates_standing,
    typed_policies,
)
from mechanism.ranking.rank import WHY_NOT, Ranked, rank
from mechanism.rates.instruments import linear_subsidies
from mechanism.report.answer import recommend
from mechanism.report.results import Change, ComparisonRow, Evaluation
from mechanism.report.verdicts import verdicts, warnings
from mechanism.scheme.allocation import allocate
from mechanism.scheme.behaviour import ExpectedOutcome
from mechanism.scheme.full_information import full_information
from mechanism.scheme.preparation import Scheme, over_pairs, prepare, private_regime
from mechanism.scheme.rule_results import NOT_SETTLED

if TYPE_CHECKING:
    from mechanism.scheme.rule_results import RuleResult


def solve(case: PolicyCase, regime: str = TODAY) -> Outcome:
    """One regime of a case's market at the case's own parameters.

    Args:
        case: What `load` read; its private types, if any, play no part.
        regime: `nash`, `joint_profit`, `social_optimum` or another of `REGIMES`.

    Returns:
        Levels, prices, quantities and money with the certificate (residual, curvature, global
        regret). Without a solution every figure is None and `message` says why.

    Raises:
        TypeError: `case` is a bare market, which nothing has validated.
        KeyError: There is no such regime.

    Example:
        >>> import pigou
        >>> outcome = pigou.solve(pigou.load("two_vendors.yaml"), "nash")
        >>> outcome.status, outcome.levels.round(4).tolist()
        ('converged', [0.0412, 0.0412, 0.8788, 0.8788])
    """
    if not isinstance(case, PolicyCase):
        raise TypeError("a case as `load` gives it is needed; its `set` changes a value")
    if regime not in REGIMES:
        raise KeyError(f"{regime!r} is no regime; there are {', '.join(REGIMES)}")
    return solve_regime(case.market, regime)


def evaluate(case: PolicyCase, switches: bool | None = False) -> Evaluation:
    """Evaluate a case at its own numbers: every regime, the mechanism, its constraints, policies
    against the benchmarks, and what to do; with `switches` what would overturn that too; None:
    numbers of the market are varied only where that does not take long.
    `mechanism.uncertainty.evaluated` adds what is not known exactly.
    """
    regimes = solve_regimes(case.market)
    found = (
        _known(case, regimes)
        if case.types is None
        else _private(case, regimes, type_space(case.types))
    )
    found = (
        replace(found, recommendation=recommend(found))
        if switches is False
        else with_switches(found, numbers=bool(switches) or not found.dear)
    )
    return replace(found, verdicts=tuple(verdicts(found)), warnings=tuple(warnings(found)))


def with_switches(found: Evaluation, numbers: bool = True) -> Evaluation:
    """The same with what would overturn the recommendation: other standards and, with `numbers`,
    other numbers of the market."""
    robust, over_numbers = over_standards(found)
    over_market = over_parameters(found) if numbers else ()
    advice = recommend(found, (*over_numbers, *over_market), robust, numbers)
    return replace(found, recommendation=advice)


# --- everything known


def _known(case: PolicyCase, regimes: Mapping[str, Outcome]) -> Evaluation:
    optimum, market = regimes[GOAL], regimes[TODAY]
    standard = standard_of(case.mechanism)
    policies = compared(private=False, unpaid=standard.participation == "none")
    found = {
        policy.key: as_found(regimes[policy.key])
        for policy in policies
        if policy.source == "regime"
    }
    known = known_policies(case.market.flat(), found, policies, standard)
    ranked = rank(known.contenders, TODAY, GOAL, standard)
    assert known.best is not None
    aimed_at = known.best.levels[0]
    return Evaluation(
        case=case,
        types=None,
        regimes=regimes,
        full_information=full_information(case.market, optimum, market) if optimum.solved else None,
        rates=(
            linear_subsidies(case.market, aimed_at, market, known.rates)
            if np.isfinite(aimed_at).all()
            else None
        ),
        attainable=known.best,
        rates_under_types=None,
        rules=None,
        why_not={},
        private_market=None,
        ranked=ranked,
        comparison=comparison(ranked, case.mechanism.public_funds_cost),
    )


# --- types private


def _private(case: PolicyCase, regimes: Mapping[str, Outcome], types: TypeSpace) -> Evaluation:
    # Imported where it is needed: cvxpy takes longer to import than a case without types to
    # evaluate.
    from mechanism.scheme.asymmetric_information import private_market, rules_at, run_rule

    optimum, market, standard = regimes[GOAL], regimes[TODAY], standard_of(case.mechanism)
    scheme = prepare(case.market, types, case.mechanism)
    run = (
        {} if scheme is None else {rule.key: run_rule(scheme, rule.key) for rule in rules_at(types)}
    )
    rules = {key: None if isinstance(found, WhyNot) else found for key, found in run.items()}
    why_not = {key: found for key, found in run.items() if isinstance(found, WhyNot)}
    rates = (
        linear_subsidies(case.market, optimum.levels, market)
        if optimum.levels is not None
        else None
    )
    fixed = None if scheme is None else fixed_rates(scheme, None if rates is None else rates.rates)
    today_found = (
        private_regime(
            case.market,
            types,
            TODAY,
            over_pairs(case.market, types.points, TODAY, types.parameter).levels,
        )
        if scheme is None
        else scheme.private_market
    )
    private = private_market(case.market, types, today_found)
    policies = compared(
        private=True,
        unpaid=standard.participation == "none",
        drawn=case.mechanism.allocation == "second_best",
    )
    standings = _regime_standings(case.market.flat(), types, regimes, scheme, policies)
    if scheme is None:
        standings[GOAL] = no_plan(case.market.flat(), types)
    standings[PRIVATE_MARKET] = one_standing(
        None if private is None else private.expected, missing="no_equilibrium", why=NOT_SETTLED
    )
    for policy in policies:
        if policy.source == "full_information":
            standings[policy.key] = standings[GOAL]
        elif scheme is None and policy.source in (
            "rates",
            "rule",
            "own_rule",
            "imposed",
            "attainable",
        ):
            standings[policy.key] = no_levels(standings[GOAL])
        elif policy.source == "attainable" and scheme is not None:
            standings[policy.key] = attainable_at_reports(scheme, standings[PRIVATE_MARKET])
        elif policy.source == "imposed" and scheme is not None:
            standings[policy.key] = ordered(scheme, standings[PRIVATE_MARKET])
        elif policy.source == "rates" and fixed is not None:
            standings[policy.key] = rates_standing(fixed)
        elif policy.source == "rule" and policy.key in run:
            assert scheme is not None
            standings[policy.key] = _compared(scheme, policy.key, run[policy.key])
        elif policy.source == "own_rule":
            standings[policy.key] = _ruled(run[case.mechanism.tax_rule])
    contenders = typed_policies(policies, standings, types, standard)
    ranked = rank(contenders, today(private=True), GOAL, standard)
    return Evaluation(
        case=case,
        types=types,
        regimes=regimes,
        full_information=full_information(case.market, optimum, market) if optimum.solved else None,
        rates=rates,
        attainable=None,
        rates_under_types=fixed,
        rules=rules,
        why_not=why_not if run else {case.mechanism.tax_rule: NO_LEVELS},
        private_market=private,
        ranked=ranked,
        comparison=comparison(ranked, case.mechanism.public_funds_cost),
    )


def _regime_standings(
    case: Case,
    types: TypeSpace,
    regimes: Mapping[str, Outcome],
    scheme: Scheme | None,
    policies: Sequence[Policy],
) -> dict[str, Standing]:
    """Regimes in expectation over both firms' types, each chosen with the types known."""
    nodes = np.ix_(types.nodes, types.nodes)
    levels = {} if scheme is None else {GOAL: scheme.assignment.levels[0][nodes]}
    if scheme is not None and scheme.market_levels is not None:
        levels[TODAY] = scheme.market_levels[nodes]
    out = {}
    for key in [policy.key for policy in policies if policy.source == "regime"]:
        if played_privately(key):
            out[key] = market_standing(case, types, private_regime(case, types, key))
            continue
        chosen = (
            levels[key]
            if key in levels
            else allocate(case, types.types, key, types.parameter).levels
        )
        status = (
            "converged"
            if np.isfinite(chosen).all()
            else "not_converged"
            if regimes[key].solved
            else regimes[key].status
        )
        why = np.array([regimes[key].message or ""], object)
        out[key] = expected_standing(
            case, types, chosen[None], np.array([status], object), why, {}, REGIMES[key].prices
        )
    return out


def _ruled(found: RuleResult | WhyNot) -> Standing:
    """What firms end up with under a tax rule."""
    if isinstance(found, WhyNot):
        return not_asked(1, found.text)
    return one_standing(found.achieved, found.least, found.worst, missing="no_equilibrium")


def _compared(scheme: Scheme, key: str, found: RuleResult | WhyNot) -> Standing:
    """The same in a comparison, where transfers that are solved for are those of the least
    outlay."""
    plain = compared_options(scheme.options)
    if not TAX_RULES[key].designed or plain == scheme.options:
        return _ruled(found)
    return rule_standing(replace(scheme, options=plain), TAX_RULES[key])


# --- policies side by side


def comparison(ranked: Ranked, public_funds_cost: float) -> tuple[ComparisonRow, ...]:
    """The policies side by side at one case; changes are against the market as it is.

    Profit is what firms keep as it stands, net transfers included; outlay is what the public then
    pays net of tax.
    """
    return tuple(_row(ranked, p, public_funds_cost) for p in range(len(ranked.contenders)))


def _claimed(contender: Contender) -> ExpectedOutcome | None:
    """Expectations of the first of many cases; None where none are claimed."""
    return contender.expected.first if contender.solved[0] else None


def _row(ranked: Ranked, p: int, public_funds_cost: float) -> ComparisonRow:
    contenders, c = ranked.contenders, ranked.contenders[p]
    goal = next(other for other in contenders if other.policy.key == GOAL)
    e, base, best = (_claimed(one) for one in (c, contenders[ranked.today], goal))
    change, share = None, None
    if e is not None and base is not None:
        change = Change(
            profit=e.kept - base.kept,
            consumer_surplus=float(e.consumer_surplus - base.consumer_surplus),
            welfare=float(e.welfare - base.welfare),
        )
        if best is not None and best.welfare - base.welfare > SMALL_GAIN * abs(base.welfare):
            share = float((e.welfare - base.welfare) / (best.welfare - base.welfare))
    code = ranked.why_not[p, 0]
    # what staying out is worth may not be known
    joins = e is not None and bool(np.isfinite(ranked.net_transfer[p, 0]).all())
    return ComparisonRow(
        policy=c.policy,
        status=c.status[0],
        expected=e,
        welfare_net=(
            None if e is None else float(welfare_net(e.welfare, e.budget, public_funds_cost))
        ),
        change=change,
        share_of_gain=share,
        value=float(ranked.value[p, 0]) if joins else None,
        why_not=WhyNot(code=code, text=WHY_NOT[code]) if code else None,
        flat_payments=ranked.flat[p, 0] if joins and c.least is not None else None,
        net_transfer=ranked.net_transfer[p, 0] if joins else None,
        outlay_joined=float(ranked.outlay[p, 0]) if joins else None,
        attained=_attained(ranked, p),
    )


NO_GAIN = 1e-6
"""Share of today's welfare below which a gain is none to take shares of."""


def _attained(ranked: Ranked, p: int) -> float | None:
    """What a policy that competes brings over today as a share of the most that can be attained;
    None where that is not known, or next to nothing."""
    best = next((k for k, c in enumerate(ranked.contenders) if c.barred == "attainable"), None)
    if best is None or not ranked.competes[p, 0]:
        return None
    now = ranked.value[ranked.today, 0]
    gain = ranked.value[best, 0] - now
    return float((ranked.value[p, 0] - now) / gain) if gain > NO_GAIN * ranked.scale[0] else None
