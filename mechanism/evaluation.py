"""One case end to end: regimes, mechanism, checks, comparison of policies, verdicts. The tree of `evaluate --format json`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any

import numpy as np

from market.case import INVESTMENT, SHARING, Array, Case
from market.outcome import SOLVED, Outcome, numbers
from market.regimes import REGIMES, solve_regimes
from mechanism.allocation import allocate
from mechanism.behaviour import Expected, expected_outcome
from mechanism.checks import Check, least_lump_sums, participation
from mechanism.full_information import FullInformation, full_information
from mechanism.instruments import linear_subsidies
from mechanism.preparation import Scheme, prepare
from mechanism.schema import PolicyCase
from mechanism.tidy import welfare_net
from mechanism.tree import private_market_tree, rule_tree, witness_tree
from mechanism.types import TypeSpace, type_space
from mechanism.verdicts import verdicts, warnings

if TYPE_CHECKING:
    from mechanism.results import RuleResult

SCHEMA_VERSION = 1


def evaluate(policy: PolicyCase) -> dict[str, Any]:
    """Evaluate a case: every regime, the mechanism, its constraints, and policies against the benchmarks, as plain values."""
    regimes = solve_regimes(policy.market)
    optimum, market = regimes["social_optimum"], regimes["nash"]
    full = full_information(policy.market, optimum, market) if optimum.solved else None
    rates = linear_subsidies(policy.market, optimum, market)
    mechanism: dict[str, Any] = {
        "full_information": None if full is None else full_information_tree(full, market),
        "linear_subsidies": rates,
        "reported": None,
        "alternatives": None,
    }
    private: dict[str, Any] = {}
    if policy.types is None:
        figures = point_figures(regimes, full, rates)
    else:
        # Imported where it is needed: cvxpy takes longer to import than a case without types to evaluate.
        from mechanism.asymmetric_information import private_market, rules_at, run_rule

        types = type_space(policy.types)
        setting = prepare(policy.market, types, policy.mechanism)
        rules = {} if setting is None else {rule.key: run_rule(setting, rule.key) for rule in rules_at(types)}
        own = rules.get(policy.mechanism.tax_rule)
        mechanism["reported"] = None if own is None else rule_tree(own)
        mechanism["alternatives"] = {
            rule: None if found is None else rule_tree(found) for rule, found in rules.items() if rule != policy.mechanism.tax_rule
        }
        private = {} if setting is None else {"bayes_nash": private_market_tree(private_market(setting))}
        figures = expected_figures(policy.market, types, regimes, setting, own, rates)
    result: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pigou", "version": version()},
        "case": policy.resolved,
        "case_sha256": policy.sha256,
        "regimes": {key: outcome.tree() for key, outcome in regimes.items()} | private,
        "mechanism": mechanism,
        "comparison": comparison(figures, policy.mechanism.public_funds_cost),
    }
    result["verdicts"] = verdicts(result)
    result["warnings"] = warnings(result, policy.market)
    result["expectations"] = expectations(result, policy.expect)
    return result


def version() -> str:
    """The installed version of the tool."""
    try:
        return installed_version("pigou")
    except PackageNotFoundError:
        return "unknown"


def full_information_tree(full: FullInformation, market: Outcome) -> dict[str, Any]:
    """Appendix B with full information as plain values, participation included."""
    solved = full.regulated.solved
    outside = {"ir1": full.regulated.profit, "ir_market": market.profit, "ir2": np.zeros(2)}
    # One state has no range of payoffs; what is added up to make them sets the rounding.
    scale = float(max(np.abs(full.subsidy).max(), np.abs(full.payoff).max()))
    return {
        "subsidy": numbers(full.subsidy),
        "tax": numbers(full.tax),
        "net_transfer": numbers(full.net_transfer) if solved else None,
        "participation_gain": None if full.participation_gain is None or not solved else numbers(full.participation_gain),
        "regulated": full.regulated.tree(),
        "welfare_gap": full.welfare_gap if solved else None,
        "certificate": full.regulated.certificate.tree(),
        "participation": {form: participation_tree(full.payoff, value, scale) for form, value in outside.items()},
        "printed_double_integral": {
            "value": numbers(full.printed_double_integral),
            "note": "(35) as printed; its unit is price x quantity^2, so it is a diagnostic and no amount of money",
        },
    }


def participation_tree(payoff: Array, outside: Array, scale: float) -> dict[str, Any]:
    """One form of individual rationality at one state: check, slack per firm and the least lump sums that mend it."""
    check: Check = participation(payoff, outside, scale=scale)
    established, holds = check.status != "not_established", check.status == "holds"
    return {
        "status": check.status,
        "min_slack": check.amount,
        "witness": witness_tree(check.witness),
        "slack": numbers(payoff - outside) if established else None,
        "correction": None if not established else [0.0, 0.0] if holds else numbers(least_lump_sums(payoff, outside)),
        "balanced_correction_exists": holds or bool((payoff - outside).sum() >= 0) if established else None,
    }


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One policy's figures: at the case's point or in expectation over types. None for what is not claimed."""

    policy: str
    status: str
    expected: Expected | None


def point_figures(regimes: dict[str, Outcome], full: FullInformation | None, rates: dict[str, Any] | None) -> list[Figures]:
    """The policies' figures at the case's own lambda_c."""
    optimum = regimes["social_optimum"]
    out = [Figures(policy=key, status=regimes[key].status, expected=_at_point(regimes[key])) for key in BEFORE_MECHANISM]
    status = optimum.status if full is None else full.regulated.status
    paid = None if full is None else _at_point(full.regulated, full.net_transfer)
    out.append(Figures(policy="vcg_full_information", status=status, expected=paid))
    lead = rates is not None and rates["status"] == "holds"
    subsidised = _at_point(optimum, np.array(rates["net_transfer"])) if rates is not None and lead else None
    status = optimum.status if rates is None or lead else "no_equilibrium"
    out.append(Figures(policy="linear_subsidies", status=status, expected=subsidised))
    return out + [Figures(policy=key, status=regimes[key].status, expected=_at_point(regimes[key])) for key in AFTER_MECHANISM]


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


def expected_figures(
    case: Case,
    types: TypeSpace,
    regimes: dict[str, Outcome],
    setting: Scheme | None,
    own: RuleResult | None,
    rates: dict[str, Any] | None,
) -> list[Figures]:
    """The policies' figures in expectation over both firms' types, each benchmark chosen with the types known."""
    nodes = np.ix_(types.nodes, types.nodes)
    known = {} if setting is None else {"social_optimum": setting.assignment.levels[0][nodes]}
    if setting is not None and setting.market_levels is not None:
        known["nash"] = setting.market_levels[nodes]
    found = {}
    for key in (*BEFORE_MECHANISM, *AFTER_MECHANISM):
        levels = known[key] if key in known else allocate(case, types.types, key, types.parameter).levels
        found[key] = _in_expectation(case, types, key, levels, regimes[key].status)
    # With full information the scheme reaches the social optimum at every pair of types, and pays nothing on balance.
    full = Figures(policy="vcg_full_information", status=found["social_optimum"].status, expected=found["social_optimum"].expected)
    status = found["social_optimum"].status if own is None else "converged" if own.achieved is not None else "no_equilibrium"
    reported = Figures(policy="vcg_reported", status=status, expected=None if own is None else own.achieved)
    subsidised = _subsidised(case, types, known.get("social_optimum"), rates, found)
    return [found[key] for key in BEFORE_MECHANISM] + [full, reported, subsidised] + [found[key] for key in AFTER_MECHANISM]


def _subsidised(case: Case, types: TypeSpace, levels: Array | None, rates: dict[str, Any] | None, found: dict[str, Figures]) -> Figures:
    """The best subsidies per unit that do not depend on types; they are added to `rates` as `under_types`."""
    from mechanism.robust_rates import best_rates, rates_outcome, rates_tree

    if rates is None or levels is None:
        return Figures(policy="linear_subsidies", status=found["social_optimum"].status, expected=None)
    start = np.zeros((2, 4))
    start[[0, 1], [0, 1]], start[[0, 1], [2, 3]] = rates["sharing_rate"], rates["investment_rate"]
    played = best_rates(case, types, levels, start)
    if played is None:
        return Figures(policy="linear_subsidies", status="no_equilibrium", expected=None)
    expected = rates_outcome(case, types, played)
    rates["under_types"] = rates_tree(played, expected)
    return Figures(policy="linear_subsidies", status="converged", expected=expected)


def _in_expectation(case: Case, types: TypeSpace, key: str, levels: Array, status_at_point: str) -> Figures:
    if not np.isfinite(levels).all():
        status = "not_converged" if status_at_point in SOLVED else status_at_point
        return Figures(policy=key, status=status, expected=None)
    expected = expected_outcome(case, types, levels, rule=REGIMES[key].prices)
    if not expected.describes_market:
        return Figures(policy=key, status="infeasible", expected=None)
    return Figures(policy=key, status="converged", expected=expected)


BEFORE_MECHANISM = ("no_sharing", "nash", "joint_profit", "price_collusion")
AFTER_MECHANISM = ("social_optimum", "first_best")


def comparison(figures: list[Figures], public_funds_cost: float) -> list[dict[str, Any]]:
    """The policies side by side; changes are against the unregulated market (`nash`).

    Profit is what firms keep, net transfers included; outlay is what the public pays net of tax.
    """
    by_policy = {f.policy: f.expected for f in figures}
    market, optimum = by_policy["nash"], by_policy["social_optimum"]
    return [_row(f, market, optimum, public_funds_cost) for f in figures]


def _row(figures: Figures, market: Expected | None, optimum: Expected | None, public_funds_cost: float) -> dict[str, Any]:
    names = ("welfare", "consumer_surplus", "profit", "public_outlay", "sharing", "investment", "share_of_gain", "welfare_net", "change")
    row: dict[str, Any] = {"policy": figures.policy, "status": figures.status, **dict.fromkeys(names)}
    e = figures.expected
    if e is None:
        return row
    kept = e.profit + e.net_transfer
    row |= {
        "welfare": e.welfare,
        "consumer_surplus": e.consumer_surplus,
        "profit": numbers(kept),
        "public_outlay": e.budget,
        "sharing": numbers(e.sharing),
        "investment": numbers(e.investment),
        "welfare_net": float(welfare_net(e.welfare, e.budget, public_funds_cost)),
    }
    if market is not None:
        row["change"] = {
            "profit": numbers(kept - market.profit),
            "consumer_surplus": e.consumer_surplus - market.consumer_surplus,
            "welfare": e.welfare - market.welfare,
        }
        if optimum is not None and optimum.welfare > market.welfare:
            row["share_of_gain"] = (e.welfare - market.welfare) / (optimum.welfare - market.welfare)
    return row


def expectations(result: dict[str, Any], expect: Any) -> list[dict[str, Any]]:
    """The `expect` block of the case against the result."""
    out = []
    for key, wanted in expect.items():
        actual = look_up(result, key)
        value, rtol, atol = wanted.value, wanted.rtol, wanted.atol
        if isinstance(value, int | float) and not isinstance(value, bool) and isinstance(actual, int | float):
            ok = abs(actual - value) <= atol + rtol * abs(value)
        else:
            ok = actual == value
        out.append({"key": key, "expected": value, "actual": actual, "ok": bool(ok)})
    return out


MISSING = "no such key"


def look_up(tree: Any, path: str) -> Any:
    """The value at a dotted path such as `regimes.nash.sharing[0]`; `no such key` where there is none."""
    for part in path.replace("[", ".[").split("."):
        try:
            tree = tree[int(part[1:-1])] if part.startswith("[") else tree[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return MISSING
    return tree
