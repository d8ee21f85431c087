"""One case end to end: regimes, mechanism, checks, comparison of policies, verdicts. `mechanism.tree` gives its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from market.case import INVESTMENT, SHARING, Array, Case
from market.outcome import SOLVED, Outcome
from market.regimes import REGIMES, solve_regimes
from mechanism.allocation import allocate
from mechanism.behaviour import Expected, expected_outcome
from mechanism.full_information import FullInformation, full_information
from mechanism.instruments import LinearSubsidies, linear_subsidies
from mechanism.options import NO_LEVELS, WhyNot
from mechanism.policies import GOAL, TODAY, Policy, compared
from mechanism.preparation import Scheme, prepare
from mechanism.results import Change, ComparisonRow, Evaluation, RatesUnderTypes, Strategy
from mechanism.schema import PolicyCase
from mechanism.standard import standard_of
from mechanism.tidy import welfare_net
from mechanism.types import TypeSpace, type_space
from mechanism.verdicts import verdicts, warnings

if TYPE_CHECKING:
    from mechanism.results import RuleResult


def evaluate(case: PolicyCase) -> Evaluation:
    """Evaluate a case: every regime, the mechanism, its constraints, and policies against the benchmarks."""
    regimes = solve_regimes(case.market)
    optimum, market = regimes[GOAL], regimes[TODAY]
    full = full_information(case.market, optimum, market) if optimum.solved else None
    rates = linear_subsidies(case.market, optimum, market)
    known = Known(regimes=regimes, full=full, rates=rates)
    found = _known(case, known) if case.types is None else _private(case, known, type_space(case.types))
    return replace(found, verdicts=tuple(verdicts(found)), warnings=tuple(warnings(found)))


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is found at the case's own parameters."""

    regimes: dict[str, Outcome]
    """Every regime."""
    full: FullInformation | None
    """Subsidy and tax; None without a social optimum."""
    rates: LinearSubsidies | None
    """Subsidies per unit; None without a social optimum."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One policy's figures: at the case's point or in expectation over types."""

    status: str
    """That of the outcome they come from."""
    expected: Expected | None
    """None for what is not claimed."""


# --- everything known


def _known(case: PolicyCase, known: Known) -> Evaluation:
    figures = {policy.key: figures_at_point(policy, known) for policy in compared(private=False)}
    return Evaluation(
        case=case,
        types=None,
        regimes=known.regimes,
        full_information=known.full,
        rates=known.rates,
        rates_under_types=None,
        rules=None,
        why_not={},
        private_market=None,
        comparison=comparison(figures, case.mechanism.public_funds_cost, private=False),
    )


def figures_at_point(policy: Policy, known: Known) -> Figures:
    """A policy's figures at the case's own parameters."""
    optimum = known.regimes[GOAL]
    if policy.source == "full_information":
        if known.full is None:
            return Figures(status=optimum.status, expected=None)
        regulated = known.full.regulated
        return Figures(status=regulated.status, expected=_at_point(regulated, known.full.net_transfer))
    if policy.source == "rates":
        if known.rates is None:
            return Figures(status=optimum.status, expected=None)
        if known.rates.status != "holds":
            return Figures(status="no_equilibrium", expected=None)
        return Figures(status=optimum.status, expected=_at_point(optimum, known.rates.net_transfer))
    outcome = known.regimes[policy.key]
    return Figures(status=outcome.status, expected=_at_point(outcome))


def _at_point(outcome: Outcome, net_transfer: Array | None = None) -> Expected | None:
    if outcome.levels is None or outcome.accounts is None or not outcome.solved:
        return None
    return Expected(
        welfare=outcome.welfare,
        consumer_surplus=float(outcome.accounts.consumer_surplus.sum()),
        profit=outcome.profit,
        net_transfer=np.zeros(2) if net_transfer is None else net_transfer,
        sharing=outcome.levels[SHARING],
        investment=outcome.levels[INVESTMENT],
        price=outcome.accounts.price,
    )


# --- types private


def _private(case: PolicyCase, known: Known, types: TypeSpace) -> Evaluation:
    # Imported where it is needed: cvxpy takes longer to import than a case without types to evaluate.
    from mechanism.asymmetric_information import private_market, rules_at, run_rule

    setting = prepare(case.market, types, case.mechanism)
    run = {} if setting is None else {rule.key: run_rule(setting, rule.key) for rule in rules_at(types)}
    rules = {key: None if isinstance(found, WhyNot) else found for key, found in run.items()}
    why_not = {key: found for key, found in run.items() if isinstance(found, WhyNot)}
    figures, rates = expected_figures(case.market, types, known, setting, rules.get(case.mechanism.tax_rule))
    return Evaluation(
        case=case,
        types=types,
        regimes=known.regimes,
        full_information=known.full,
        rates=known.rates,
        rates_under_types=rates,
        rules=rules,
        why_not=why_not if run else {case.mechanism.tax_rule: NO_LEVELS},
        private_market=None if setting is None else private_market(setting),
        comparison=comparison(figures, case.mechanism.public_funds_cost, private=True),
    )


def expected_figures(
    case: Case, types: TypeSpace, known: Known, setting: Scheme | None, own: RuleResult | None
) -> tuple[dict[str, Figures], RatesUnderTypes | None]:
    """The policies' figures in expectation over both firms' types, each benchmark chosen with the types known; and the subsidies per unit
    that do not depend on types."""
    nodes = np.ix_(types.nodes, types.nodes)
    levels = {} if setting is None else {GOAL: setting.assignment.levels[0][nodes]}
    if setting is not None and setting.market_levels is not None:
        levels[TODAY] = setting.market_levels[nodes]
    policies = compared(private=True)
    found = {}
    for policy in policies:
        if policy.source == "regime":
            key = policy.key
            chosen = levels[key] if key in levels else allocate(case, types.types, key, types.parameter).levels
            found[key] = _in_expectation(case, types, key, chosen, known.regimes[key].status)
    optimum = found[GOAL]
    rates = _rates_under_types(case, types, setting, known.rates)
    # With full information the scheme reaches the social optimum at every pair of types, and pays nothing on balance.
    supplied = {
        "full_information": optimum,
        "own_rule": _behaved(own, optimum),
        "rates": _subsidised(rates, unasked=known.rates is None or GOAL not in levels, optimum=optimum),
    }
    return {policy.key: found[policy.key] if policy.key in found else supplied[policy.source] for policy in policies}, rates


def _behaved(own: RuleResult | None, optimum: Figures) -> Figures:
    """What firms end up with under the case's own tax rule."""
    if own is None:
        return Figures(status=optimum.status, expected=None)
    return Figures(status="converged" if own.achieved is not None else "no_equilibrium", expected=own.achieved)


def _rates_under_types(case: Case, types: TypeSpace, setting: Scheme | None, rates: LinearSubsidies | None) -> RatesUnderTypes | None:
    from mechanism.robust_rates import FixedRates, best_rates

    if setting is None or setting.private_market is None:
        return None
    starts = () if rates is None else (rates.rates,)
    standard = standard_of(setting.options)
    found = best_rates(case, types, setting.private_market, standard, setting.market_levels, starts)
    if not isinstance(found, FixedRates):
        return None
    strategies = Strategy.rows(types, found.strategy, found.payoff)
    return RatesUnderTypes(fixed=found, expected=found.expected, strategies=strategies)


def _subsidised(rates: RatesUnderTypes | None, *, unasked: bool, optimum: Figures) -> Figures:
    if rates is None:
        return Figures(status=optimum.status if unasked else "no_equilibrium", expected=None)
    return Figures(status="converged", expected=rates.expected)


def _in_expectation(case: Case, types: TypeSpace, key: str, levels: Array, status_at_point: str) -> Figures:
    if not np.isfinite(levels).all():
        return Figures(status="not_converged" if status_at_point in SOLVED else status_at_point, expected=None)
    expected = expected_outcome(case, types, levels, rule=REGIMES[key].prices)
    if not expected.describes_market:
        return Figures(status="infeasible", expected=None)
    return Figures(status="converged", expected=expected)


# --- policies side by side


def comparison(figures: Mapping[str, Figures], public_funds_cost: float, *, private: bool) -> tuple[ComparisonRow, ...]:
    """The policies side by side; changes are against the unregulated market.

    Profit is what firms keep, net transfers included; outlay is what the public pays net of tax.
    """
    today, optimum = figures[TODAY].expected, figures[GOAL].expected
    return tuple(_row(policy, figures[policy.key], today, optimum, public_funds_cost) for policy in compared(private))


def _row(policy: Policy, figures: Figures, today: Expected | None, optimum: Expected | None, public_funds_cost: float) -> ComparisonRow:
    e = figures.expected
    change, share = None, None
    if e is not None and today is not None:
        change = Change(
            profit=e.profit + e.net_transfer - today.profit,
            consumer_surplus=e.consumer_surplus - today.consumer_surplus,
            welfare=e.welfare - today.welfare,
        )
        if optimum is not None and optimum.welfare > today.welfare:
            share = (e.welfare - today.welfare) / (optimum.welfare - today.welfare)
    return ComparisonRow(
        policy=policy,
        status=figures.status,
        expected=e,
        welfare_net=None if e is None else float(welfare_net(e.welfare, e.budget, public_funds_cost)),
        change=change,
        share_of_gain=share,
    )
