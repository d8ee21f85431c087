"""One case end to end: regimes, mechanism, checks, comparison of policies, verdicts. The tree of `evaluate --format json`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np

from market.case import Array
from market.outcome import Outcome, numbers
from market.regimes import solve_regimes
from mechanism.checks import Check, least_lump_sums, participation
from mechanism.full_information import FullInformation, full_information
from mechanism.schema import PolicyCase
from mechanism.verdicts import verdicts, warnings

SCHEMA_VERSION = 1


def evaluate(policy: PolicyCase) -> dict[str, Any]:
    """Evaluate a case: every regime, the mechanism, participation, and policies against the benchmarks, as plain values."""
    regimes = solve_regimes(policy.market)
    optimum, market = regimes["social_optimum"], regimes["nash"]
    full = full_information(policy.market, optimum, market) if optimum.solved else None
    rows = comparison(regimes, full, policy.mechanism.public_funds_cost)
    result: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pigou", "version": version()},
        "case": policy.resolved,
        "case_sha256": policy.sha256,
        "regimes": {key: outcome.tree() for key, outcome in regimes.items()},
        "mechanism": {"full_information": None if full is None else full_information_tree(full, market), "reported": None},
        "comparison": rows,
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
    return {
        "subsidy": numbers(full.subsidy),
        "tax": numbers(full.tax),
        "net_transfer": numbers(full.net_transfer) if solved else None,
        "participation_gain": None if full.participation_gain is None or not solved else numbers(full.participation_gain),
        "regulated": full.regulated.tree(),
        "welfare_gap": full.welfare_gap if solved else None,
        "certificate": full.regulated.certificate.tree(),
        "participation": {form: participation_tree(full.payoff, value) for form, value in outside.items()},
        "printed_double_integral": {
            "value": numbers(full.printed_double_integral),
            "note": "(35) as printed; its unit is price x quantity^2, so it is a diagnostic and no amount of money",
        },
    }


def participation_tree(payoff: Array, outside: Array) -> dict[str, Any]:
    """One form of individual rationality at one state: check, slack per firm and the least lump sums that mend it."""
    check: Check = participation(payoff, outside)
    established = check.status != "not_established"
    return {
        "status": check.status,
        "min_slack": check.amount,
        "witness": check.witness,
        "slack": numbers(payoff - outside) if established else None,
        "correction": numbers(least_lump_sums(payoff, outside)) if established else None,
        "balanced_correction_exists": bool((payoff - outside).sum() >= 0) if established else None,
    }


def comparison(regimes: dict[str, Outcome], full: FullInformation | None, public_funds_cost: float) -> list[dict[str, Any]]:
    """The policies side by side; changes are against the unregulated market (`nash`)."""
    market, optimum = regimes["nash"], regimes["social_optimum"]
    entries: list[tuple[str, Outcome | None, Array | None, float]] = [
        (key, regimes[key], regimes[key].profit, 0.0) for key in ("no_sharing", "nash", "joint_profit", "price_collusion")
    ]
    if full is None:
        entries.append(("vcg_full_information", None, None, 0.0))
    else:
        entries.append(("vcg_full_information", full.regulated, full.payoff, float(full.net_transfer.sum())))
    entries += [(key, regimes[key], regimes[key].profit, 0.0) for key in ("social_optimum", "first_best")]
    return [comparison_row(*entry, market=market, optimum=optimum, public_funds_cost=public_funds_cost) for entry in entries]


def comparison_row(
    policy: str,
    outcome: Outcome | None,
    payoff: Array | None,
    outlay: float,
    *,
    market: Outcome,
    optimum: Outcome,
    public_funds_cost: float,
) -> dict[str, Any]:
    """One policy's figures. Profit is what firms keep, net transfers included; outlay is what the public pays net of tax."""
    row: dict[str, Any] = dict.fromkeys(
        ("welfare", "consumer_surplus", "profit", "public_outlay", "sharing", "investment", "share_of_gain", "welfare_net", "change")
    )
    row = {"policy": policy, "status": outcome.status if outcome else optimum.status, **row}
    if outcome is None or not outcome.solved or outcome.accounts is None or payoff is None:
        return row
    tree = outcome.tree()
    row |= {key: tree[key] for key in ("welfare", "consumer_surplus", "sharing", "investment")}
    row["profit"] = numbers(payoff)
    row["public_outlay"] = outlay
    row["welfare_net"] = outcome.welfare - public_funds_cost * max(outlay, 0.0)
    if market.solved and market.accounts is not None:
        row["change"] = {
            "profit": numbers(payoff - market.profit),
            "consumer_surplus": float(outcome.accounts.consumer_surplus.sum() - market.accounts.consumer_surplus.sum()),
            "welfare": outcome.welfare - market.welfare,
        }
        possible = optimum.welfare - market.welfare
        if possible > 0:
            row["share_of_gain"] = (outcome.welfare - market.welfare) / possible
    return row


def expectations(result: dict[str, Any], expect: Any) -> list[dict[str, Any]]:
    """The `expect` block of the case against the result."""
    out = []
    for key, wanted in expect.items():
        actual = look_up(result, key)
        value, rtol, atol = wanted["value"], wanted["rtol"], wanted["atol"]
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
