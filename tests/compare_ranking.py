"""Random markets and standards ranked twice, by the programs and by the oracle: `compare_ranking.py
COUNT SEED [START] [private]`.

Prints a line per difference and a count; exit 1 if there is any. Half of the standards are total
welfare at no cost of funds.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import oracle_ranking

TOLERANCE = 1e-6
SIGNIFICANT = 6
"""Digits of the random parameters, so that a case can be written down."""


def needed_scale(m: oracle_ranking.Market) -> float:
    """The cost scale (k = 1 in m) above which every chooser's problem is bounded, looked up along
    all rays of investment."""
    far = 1e7
    angles = np.linspace(0, math.pi / 2, 46)
    grid = (1e-3, 0.2, 0.4, 0.6, 0.8, 1.0)
    s1, s2, angle = (v.ravel() for v in np.meshgrid(grid, grid, angles, indexing="ij"))
    x = np.array([s1, s2, far * np.cos(angle), far * np.sin(angle)])
    cost = [oracle_ranking.investment_cost(m, x, i) for i in (0, 1)]
    needed = 0.0
    for rule in ("bertrand", "collusive", "marginal_cost"):
        earned = sum(oracle_ranking.profits(m, x, rule)) + sum(cost)
        for benefit in (earned, earned + oracle_ranking.consumer_surplus(m, x, rule)):
            needed = max(needed, float(np.max(benefit / np.maximum(sum(cost), 1e-9 * far**2))))
    for i in (0, 1):
        own = x.copy()
        own[3 - i] = 1e3  # the rival's knowledge still saves nearly all it can
        own[2 + i] = far
        cost_i = oracle_ranking.investment_cost(m, own, i)
        needed = max(
            needed, float(np.max((oracle_ranking.profit_with_exit(m, own, i) + cost_i) / cost_i))
        )
    return needed


def draw_tree(rng: np.random.Generator) -> dict[str, Any]:
    """A random admissible market of two firms as a case file's tree."""

    def number(low: float, high: float) -> float:
        return float(f"{rng.uniform(low, high):.{SIGNIFICANT}g}")

    symmetric = rng.random() < 0.35

    def pair(low: float, high: float) -> list[float]:
        first = number(low, high)
        return [first, first if symmetric else number(low, high)]

    def one_or_pair(low: float, high: float) -> Any:
        return pair(low, high) if not symmetric and rng.random() < 0.3 else number(low, high)

    own_slope = pair(0.8, 2.0)
    phi2, phi3 = number(0, 0.5), number(0, 0.3)
    form = str(rng.choice(["saturating", "exponential", "restricted"], p=[0.8, 0.1, 0.1]))
    intercept = pair(12, 30)
    tree: dict[str, Any] = {
        "schema_version": 1,
        "name": "drawn",
        "demand": {
            "intercept": intercept,
            "own_slope": own_slope,
            "cross_slope": number(0, 0.8 * min(own_slope)),
        },
        "security": {
            "rivalry": one_or_pair(0, 0.6),
            "demand_spillover": (
                one_or_pair(-0.3, 0.3) if rng.random() < 0.1 else one_or_pair(0, 0.9)
            ),
            "leakage": {
                "own": float(f"{phi2 + phi3 + number(0.3, 4):.{SIGNIFICANT}g}"),
                "cross": phi2,
                "interaction": phi3,
            },
        },
        "cost": {
            "form": form,
            "scale": 1.0,
            "max_saving": one_or_pair(0, 0.7),
            "spillover": pair(0, 0.6 if form == "restricted" else 1.0),
            "investment_cap": None,
        },
    }
    if form != "restricted" and rng.random() < 0.15:
        tree["cost"]["reference_investment"] = number(0.5, 3)
    needed = needed_scale(oracle_ranking.read_market(tree))
    tree["cost"]["scale"] = float(f"{needed * rng.uniform(1.15, 4):.{SIGNIFICANT}g}")
    if rng.random() < 0.15:
        tree["cost"]["investment_cap"] = number(0.02, 0.2) * min(intercept)
    return tree


def draw_standard(rng: np.random.Generator) -> dict[str, Any]:
    """A random standard, as the mechanism block of a case file."""
    participation = str(rng.choice(["ir_market", "ir1", "ir2", "none"], p=[0.7, 0.06, 0.1, 0.14]))
    told: dict[str, Any] = {
        "participation": participation,
        "profit_weight": 1.0,
        "public_funds_cost": 0.0,
    }
    if rng.random() < 0.5:
        told["profit_weight"] = (
            float(f"{rng.uniform(0, 1):.3g}") if rng.random() < 0.8 else float(rng.integers(0, 2))
        )
        told["public_funds_cost"] = float(f"{rng.uniform(0, 0.5):.3g}")
    told["fees"] = bool(participation == "ir_market" and rng.random() < 0.25)
    told["materiality"] = float(rng.choice([0.05, 0.05, 0.0, 0.2]))
    drawn = [
        name
        for name in ("consumers_lose", "price_collusion", "social_optimum", "first_best")
        if rng.random() < 0.12
    ]
    told["allow"] = drawn
    return told


def close(one: Any, two: Any, scale: float) -> bool:
    """Whether two numbers, lists of numbers, texts or nulls agree."""
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(
            close(a, b, scale) for a, b in zip(one, two, strict=True)
        )
    if {type(one), type(two)} == {type(None), list}:
        return not any(one or two)  # no flat parts, and flat parts of nothing
    if isinstance(one, bool | str | None) or isinstance(two, bool | str | None):
        return one == two
    return abs(one - two) <= TOLERANCE * max(1.0, scale)


def differences(tool: dict[str, Any], told: dict[str, Any]) -> Iterator[str]:
    """What the two answers disagree on."""
    rows = {row["policy"]: row for row in told["comparison"]}
    today = next(row for row in told["comparison"] if row["policy"] in ("bayes_nash", "nash"))
    welfare = abs(today.get("welfare") or 1.0)
    mine, theirs = told["recommendation"], tool["recommendation"]
    for key in ("policy", "value", "runner_up", "margin", "flat_payments"):
        if not close(theirs[key], mine[key], welfare):
            yield f"recommendation.{key}: tool {theirs[key]} oracle {mine[key]}"
    if sorted(theirs["equivalent"]) != sorted(mine["equivalent"]):
        yield f"recommendation.equivalent: tool {theirs['equivalent']} oracle {mine['equivalent']}"
    ladders = [{rung["requires"]: rung for rung in answer["ladder"]} for answer in (theirs, mine)]
    for requires in oracle_ranking.RUNGS:
        one, two = (ladder.get(requires) or {"policy": None, "value": None} for ladder in ladders)
        for key in ("policy", "value"):
            if not close(one[key], two[key], welfare):
                yield f"ladder.{requires}.{key}: tool {one[key]} oracle {two[key]}"
    named = {row["policy"]: row for row in tool["comparison"]}
    for name in rows.keys() - named.keys():
        if rows[name].get("competes"):
            yield f"{name}: competes in the oracle and has no row in the tool"
    for name, row in named.items():
        if name not in rows:
            if row["competes"]:
                yield f"{name}: competes in the tool and is not known to the oracle"
            continue
        own = rows[name]
        for key in (
            "competes",
            "requires",
            "welfare",
            "value",
            "flat_payments",
            "net_transfer",
            "outlay_joined",
            "attained",
        ):
            unit = 1.0 if key == "attained" else welfare
            if not close(row[key], own.get(key), unit):
                yield (
                    f"{name}.{key}: tool {row[key]} ({row.get('why_not')}) oracle {own.get(key)}"
                    f" ({own.get('why_not')})"
                )


def cases(
    count: int, seed: int, start: int = 0
) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """Numbered markets and standards; each number is one case whatever the count."""
    for number in range(start, start + count):
        rng = np.random.default_rng([seed, number])
        yield number, draw_tree(rng), draw_standard(rng)


def figures_of(tool: dict[str, Any]) -> list[dict[str, Any]]:
    """The programs' own figures per policy, without their ranking: what the oracle needs where
    types are private.

    What a firm receives when all join stands for the least with which every type does: the two
    differ only where firms pass money on.
    """
    told = []
    for row in tool["comparison"]:
        if row["policy"] == "vcg_reported" or row["welfare"] is None:
            continue
        net, flat = row["net_transfer"], row["flat_payments"]
        receipts = [n - f for n, f in zip(net, flat, strict=True)] if flat else [0.0, 0.0]
        told.append(
            {
                **{
                    key: row[key]
                    for key in ("policy", "status", "consumer_surplus", "sharing", "investment")
                },
                "profit": [p - r for p, r in zip(row["profit"], receipts, strict=True)],
                "m": net,
                "receipts": receipts,
                "valued_as_played": True,
            }
        )
    return told


def main_private(count: int, seed: int, start: int) -> int:
    """Compares the rankings of the programs' own figures on `count` cases whose types are
    private."""
    from mechanism.analysis.evaluation import evaluate
    from mechanism.casefile.policy_case import parse_tree
    from mechanism.report.evaluation_tree import evaluation_tree

    bad = 0
    for number, tree, standard in cases(count, seed, start):
        tree["types"] = {"values": [0.2, 0.5, 0.6]}
        begin = time.perf_counter()
        tool = evaluation_tree(evaluate(parse_tree({**tree, "mechanism": standard})))
        given = figures_of(tool)
        if all(row["policy"] != "bayes_nash" for row in given):
            print(
                f"case {number}: today's market has no figures, advice"
                f" {tool['recommendation']['policy']}",
                flush=True,
            )
            continue
        told = oracle_ranking.rank_figures(given, standard, "bayes_nash")
        found = list(differences(tool, told))
        bad += bool(found)
        print(
            f"case {number}: {len(found)} differences ({time.perf_counter() - begin:.1f} s)",
            flush=True,
        )
        for line in [*found, {**tree, "mechanism": standard}] if found else []:
            print("    ", line, flush=True)
    print(f"{bad} of {count} cases differ")
    return 1 if bad else 0


def main(count: int, seed: int, start: int = 0) -> int:
    """Compares the answers on `count` cases from number `start` on."""
    from mechanism.analysis.evaluation import evaluate
    from mechanism.casefile.policy_case import parse_tree
    from mechanism.report.evaluation_tree import evaluation_tree

    bad = 0
    for number, tree, standard in cases(count, seed, start):
        begin = time.perf_counter()
        told = oracle_ranking.rank_known(tree, standard)
        middle = time.perf_counter()
        tool = evaluation_tree(evaluate(parse_tree({**tree, "mechanism": standard})))
        end = time.perf_counter()
        found = list(differences(tool, told))
        bad += bool(found)
        print(
            f"case {number}: {len(found)} differences ({middle - begin:.1f} s,"
            f" {end - middle:.1f} s)",
            flush=True,
        )
        for line in found:
            print("   ", line, flush=True)
        if found:
            print("    ", {**tree, "mechanism": standard}, flush=True)
    print(f"{bad} of {count} cases differ")
    return 1 if bad else 0


if __name__ == "__main__":
    private = "private" in sys.argv
    wanted = [int(word) for word in sys.argv[1:] if word != "private"]
    sys.exit(main_private(*wanted, *[0] * (3 - len(wanted))) if private else main(*wanted))
