"""The oracle's part for reported cost spillovers: Appendix B over pairs of types, in scalar loops.

Every pair of reports is solved by `oracle.outcome` on its own. A firm's payoff is its profit at its
true type plus the subsidy at the reported ones less the tax. Gains are looked for among the types
and, for a support, its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import oracle


def prior(types: Mapping[str, Any]) -> tuple[list[float], list[float], list[float]]:
    """Types, their probabilities, and all points at which incentives are checked."""
    if "values" in types:
        values = sorted(types["values"])
        given = types.get("probabilities") or [1 / len(values)] * len(values)
        weights = [w for _, w in sorted(zip(types["values"], given, strict=True))]
        return values, weights, values
    low, high = types["support"]
    x, w = np.polynomial.legendre.leggauss(types.get("points", 15))
    nodes = [float(low + (high - low) * (v + 1) / 2) for v in x]
    return nodes, [float(v) / 2 for v in w], [low, *nodes, high]


def solve(tree: Mapping[str, Any]) -> dict[str, Any]:
    """`mechanism.reported` and `mechanism.alternatives` of a typed case, as far as the
    oracle vouches for them."""
    nodes, weights, points = prior(tree["types"])
    options = {
        "tax_rule": "printed",
        "incentive": "bayesian",
        "timing": "interim",
        **tree.get("mechanism", {}),
    }
    firms = (0, 1)

    def at(first: float, second: float) -> dict[str, Any]:
        return {**tree, "cost": {**tree["cost"], "spillover": [first, second]}}

    @cache
    def pair(regime: str, first: float, second: float) -> dict[str, Any]:
        return oracle.outcome(at(first, second), regime)

    def ordered(i: int, own: float, other: float) -> tuple[float, float]:
        return (own, other) if i == 0 else (other, own)

    def mean(f: Callable[[float], Any]) -> Any:
        return mp.fsum(w * f(v) for v, w in zip(nodes, weights, strict=True))

    def subsidy(i: int, own: float, other: float) -> Any:
        return pair("social_optimum", *ordered(i, own, other))["subsidy"][i]

    @cache
    def average_subsidy(i: int, other: float) -> Any:
        return mean(lambda v: subsidy(i, v, other))

    def tax(rule: str, i: int, own: float, other: float) -> Any:
        return subsidy(i, own, other) if rule == "printed" else average_subsidy(i, other)

    @cache
    def profit(i: int, true: float, own: float, other: float) -> Any:
        told = pair("social_optimum", *ordered(i, own, other))
        levels = [*told["sharing"], *told["investment"]]
        return oracle.own_profit(
            oracle.read_market(at(*ordered(i, true, other)), oracle.precise), levels, i
        )

    def payoff(rule: str, i: int, true: float, own: float, other: float) -> Any:
        return profit(i, true, own, other) + subsidy(i, own, other) - tax(rule, i, own, other)

    def gain(rule: str, i: int, true: float, own: float) -> Any:
        if options["incentive"] == "dominant":
            return max(
                payoff(rule, i, true, own, v) - payoff(rule, i, true, true, v) for v in points
            )
        return mean(lambda v: payoff(rule, i, true, own, v)) - mean(
            lambda v: payoff(rule, i, true, true, v)
        )

    def net(rule: str, i: int, own: float, other: float) -> Any:
        return subsidy(i, own, other) - tax(rule, i, own, other)

    def slack(rule: str, i: int, own: float, other: float) -> Any:
        return payoff(rule, i, own, own, other) - pair("nash", *ordered(i, own, other))["profit"][i]

    def everything(rule: str) -> dict[str, Any]:
        largest = max(gain(rule, i, a, b) for i in firms for a in points for b in points)
        outcomes = [
            (u * v, pair("social_optimum", a, b))
            for a, u in zip(nodes, weights, strict=True)
            for b, v in zip(nodes, weights, strict=True)
        ]

        def expected(key: str, i: int | None = None) -> Any:
            return mp.fsum(w * (o[key] if i is None else o[key][i]) for w, o in outcomes)

        transfers = [mean(lambda v, i=i: mean(lambda u: net(rule, i, v, u))) for i in firms]
        checks = {
            "ic": {"status": "violated" if largest > 1e-6 else "holds", "max_gain": largest},
            "budget": {
                "worst": max(net(rule, 0, a, b) + net(rule, 1, b, a) for a in nodes for b in nodes)
            },
        }
        if options["timing"] == "ex_post":
            checks["ir_market"] = {
                "min_slack": min(
                    slack(rule, i, a, b) for i in firms for a in points for b in points
                )
            }
        return {
            "expected": {
                "welfare": expected("welfare"),
                "profit": [expected("profit", i) for i in firms],
                "sharing": [expected("sharing", i) for i in firms],
                "net_transfer": transfers,
                "budget": transfers[0] + transfers[1],
            },
            "checks": checks,
        }

    with mp.workdps(25):
        rules = {rule: everything(rule) for rule in ("printed", "groves")}
    own = rules.pop(options["tax_rule"])
    return {"mechanism": {"reported": own, "alternatives": rules}}
