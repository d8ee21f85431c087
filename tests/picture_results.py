"""Results that pictures are drawn of: two of each, as small as they can be."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from trees import evaluate

from mechanism.analysis.what_if import Span, along
from mechanism.analysis.what_if_tree import path_tree
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.report.evaluation_tree import comparison_rows

CASES = Path(__file__).resolve().parents[1] / "cases"
Tree = dict[str, Any]


@cache
def evaluated(name: str) -> Tree:
    """The result of a shipped case, as the tree that users are given."""
    case = load_case(CASES / f"{name}.yaml")
    return evaluate(parse_tree({**case.resolved, "expect": {}}))


def changed(tree: Tree, **blocks: Any) -> Tree:
    """A tree with some keys changed."""
    return {**deepcopy(tree), **blocks}


def uncertain(draws: int = 100, shift: float = 0.0) -> Tree:
    """A result of a case that is not known exactly."""
    quantiles = {"p5": 1.0, "p25": 2.0, "p50": 4.0, "p75": 5.0, "p95": 9.0}
    keys = ("nash", "linear_subsidies")
    figures = {
        f"{key}.value": {
            "mean": 4.5 + n + shift,
            "sd": 1.0,
            "quantiles": {at: v + n + shift for at, v in quantiles.items()},
        }
        for n, key in enumerate(keys)
    }
    policies = {
        key: {
            "best_share": share,
            "competes_share": 1.0 - share / 2,
            "mean_value": 4.5 + n + shift,
            "regret_mean": 0.5 + n + shift,
            "regret_max": 3.0 + n + shift,
        }
        for n, (key, share) in enumerate(zip(keys, (0.25, 0.75), strict=True))
    }
    never = {"best_share": 0.0, "competes_share": 0.0, "mean_value": None}
    policies["no_sharing"] = {**never, "regret_mean": None, "regret_max": None}
    found = {
        "draws": draws,
        "without_outcome": 3,
        "unsolved": 0,
        "inadmissible": 0,
        "recommended": "linear_subsidies",
        "figures": figures,
        "policies": policies,
        "value_of_information": {"cost.scale": 0.25 + shift, "security.rivalry": 1.5 + shift},
        "perfect_information": 2.0 + shift,
        "wrong_where": [],
    }
    return changed(evaluated("two_vendors"), uncertainty=found)


def turning(method: str, shift: float = 0.0) -> Tree:
    """A result of `sensitivity`; one key has no outcome."""
    one: Tree = {
        "tornado": {"low": 1.0, "high": 2.0, "at_low": 3.0 + shift, "at_high": 9.0},
        "sobol": {
            **{"first": 0.4 + shift, "first_low": 0.3, "first_high": 0.5},
            **{"total": 0.6, "total_low": 0.5, "total_high": 0.7, "points": 16},
        },
        "morris": {
            **{"size": 2.0 + shift, "size_low": 1.5, "size_high": 2.5},
            **{"mean": -2.0, "spread": 1.0, "points": 8},
        },
    }[method]
    none = {key: v if key in ("low", "high", "points") else None for key, v in one.items()}
    return {
        "case": evaluated("two_vendors")["case"],
        "method": method,
        "markets": 10,
        "without_outcome": 1,
        "figures": {
            "gain": {
                "value": 5.0,
                "varying": 9,
                "reliable": None if method == "tornado" else False,
                "keys": {"cost.scale": none, "demand.own_slope": one},
            }
        },
    }


@cache
def path(*spans: tuple[str, float, float, int], policies: tuple[str, ...] = ()) -> Tree:
    """Policies along keys of the two vendors."""
    case = load_case(CASES / "two_vendors.yaml")
    tree = {**case.resolved, "expect": {}}
    chosen = policies or ("nash", "sharing_alliance", "linear_subsidies")
    found = along(tree, [Span(*span) for span in spans], chosen)
    return path_tree(found, case.resolved, case.resolved)


def before_after(shift: float = 0.0) -> Tree:
    """A result of `what-if --set`."""

    def row(policy: str, before: float | None, after: float | None) -> Tree:
        change = None if before is None or after is None else after - before
        value = {"before": before, "after": after, "change": change, "share": None}
        status = {"before": "converged", "after": "converged" if after else "unbounded"}
        return {"policy": policy, "status": status, "value": value}

    return {
        "changes": [{"key": "cost.scale", "before": 12.0, "after": 15.0}],
        "recommendation": {"before": "linear_subsidies", "after": "nash"},
        "policies": [
            row("nash", 7.0, 8.0 + shift),
            row("linear_subsidies", 9.0, None),
        ],
        "changed": {"case": evaluated("two_vendors")["case"]},
    }


def batch(wins: float = 0.25) -> Tree:
    """The findings of a batch."""
    rows = [
        {"policy": "nash", "wins": wins, "competes": 1.0},
        {"policy": "linear_subsidies", "wins": 1 - wins, "competes": 0.875},
        {"policy": "no_sharing", "wins": 0.0, "competes": 0.0},
    ]
    return {"cases": 64, "policies": rows}


def compared(*names: str) -> list[Tree]:
    """A result of `compare`."""
    return comparison_rows([evaluated(name) for name in names], list(names))


def by_types(shift: float = 0.0) -> Tree:
    """A result of a case with private types, as far as payoffs by type go."""
    interim = [
        {
            "firm": firm,
            "type": each,
            "payoff": 10 * firm + each + shift,
            "outside": 9.5,
            "best_report": 0.2,
            "gain": 0.75 if each == 0.8 else 0.0,
        }
        for firm in (1, 2)
        for each in (0.2, 0.8)
    ]
    reports = [
        {"report": at, "truth": at == 0.8, "payoff": payoff + shift}
        for at, payoff in ((0.2, 12.0), (0.8, 11.25))
    ]
    rule = {
        "tax_rule": "printed",
        "interim": interim,
        "evidence": {"firm": 1, "type": 0.8, "reports": reports},
    }
    case = {**evaluated("two_vendors")["case"], "types": {"parameter": "cost_spillover"}}
    mechanism = {"reported": rule, "alternatives": {"agv": None}}
    return {"case": case, "mechanism": mechanism, "comparison": []}


@cache
def rivals(rivalry: float) -> Tree:
    """The two vendors at another rivalry, for pictures that solve the case again."""
    tree = deepcopy(evaluated("two_vendors"))
    tree["case"]["security"]["rivalry"] = rivalry
    return tree
