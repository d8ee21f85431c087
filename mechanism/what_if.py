"""What changes if: one case against another, along one parameter, or over two.

A path is solved at many points at once (`mechanism.many`). Where something changes between two of its points (the order of two policies,
the status or the bounds of a regime, truth-telling or participation under a tax rule) the value at which it does is bracketed by
bisection, all brackets together, until they are narrower than `NARROW` of the range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from market.case import Array
from market.faults import BadCase, Json
from market.outcome import SOLVED
from market.regimes import REGIMES
from mechanism.case_keys import flat, key_path, set_at
from mechanism.many import NUMBERS, Columns, solve_many
from mechanism.rules import TAX_RULES, market_rules
from mechanism.schema import PolicyCase, parse_tree
from mechanism.transfers import in_closed_form, no_design
from mechanism.types import type_space

Tree = dict[str, Any]
Report = Callable[[int, int], None]
"""Told how many points are done, of how many."""

NARROW = 1e-6
"""Share of a path's range below which a bracket is narrow enough."""
SAME = 1e-9
"""Share of welfare up to which two policies count as equally good all along a path."""
MOST_EVENTS = 100
"""Changes that are bracketed; of more only the first."""
BATCH = 250
"""Points solved between two reports of progress."""

FIGURES = ("welfare", "consumer_surplus", "public_outlay")
PER_FIRM = ("profit", "sharing", "investment")


# --- one case against another


def difference(baseline: PolicyCase, changed: PolicyCase, before: Tree, after: Tree) -> Tree:
    """Two evaluations side by side: what was changed, every policy, regime and tax rule before, after, and by how much."""
    rows = {row["policy"]: row for row in before["comparison"]}, {row["policy"]: row for row in after["comparison"]}
    rules = _rules(before), _rules(after)
    return {
        "changes": changes(baseline.resolved, changed.resolved),
        "policies": _compared(*rows, "policy"),
        "regimes": _compared(before["regimes"], after["regimes"], "regime"),
        "rules": _compared(*rules, "tax_rule", ("ic_max_gain", "ir_min_slack", "public_outlay", "welfare"), ()),
    }


def changes(before: Json, after: Json) -> list[Tree]:
    """The keys whose values differ."""
    old, new = flat(before), flat(after)
    return [
        {"key": key, "before": old.get(key), "after": new.get(key)} for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)
    ]


def _rules(result: Tree) -> Tree:
    mechanism, form = result["mechanism"], result["case"]["mechanism"]["participation"]
    trees = [mechanism["reported"], *(mechanism["alternatives"] or {}).values()]
    return {
        tree["tax_rule"]: {
            "status": tree["checks"]["ic"]["status"],
            "ic_max_gain": tree["checks"]["ic"]["max_gain"],
            "ir_min_slack": None if form == "none" else tree["checks"][form]["min_slack"],
            "public_outlay": tree["expected"]["budget"],
            "welfare": tree["expected"]["welfare"],
        }
        for tree in trees
        if tree is not None
    }


def _compared(before: Tree, after: Tree, name: str, figures: Sequence[str] = FIGURES, per_firm: Sequence[str] = PER_FIRM) -> list[Tree]:
    """Rows of figures before and after, for everything that stands on either side."""
    out = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key) or {}, after.get(key) or {}
        row: Tree = {name: key, "status": {"before": old.get("status"), "after": new.get("status")}}
        for figure in figures:
            if figure in old or figure in new:
                row[figure] = _moved(old.get(figure), new.get(figure))
        for figure in per_firm:
            pairs = [(side.get(figure) or (None, None)) for side in (old, new)]
            row[figure] = [_moved(pairs[0][i], pairs[1][i]) for i in (0, 1)]
        out.append(row)
    return out


def _moved(before: float | None, after: float | None) -> Tree:
    """A figure before and after, the change, and its share of the size before; null where there is no figure or nothing to compare."""
    change = None if before is None or after is None else after - before
    share = None if change is None or not before else change / abs(before)
    return {"before": before, "after": after, "change": change, "share": share}


# --- along one parameter, or over two


@dataclass(frozen=True)
class Span:
    """A dotted key of the case and the values it takes: `count` of them, evenly from low to high."""

    key: str
    low: float
    high: float
    count: int

    @property
    def values(self) -> Array:
        """The values."""
        return np.linspace(self.low, self.high, self.count)


def usual_policies(case: PolicyCase) -> tuple[str, ...]:
    """What a path shows unless it is told: the regimes in which all choose at once, and with types the tax rules; transfers that are solved
    for only where a closed form gives them."""
    regimes = tuple(key for key, regime in REGIMES.items() if regime.order == "together")
    if case.types is None:
        return regimes
    quick = in_closed_form(case.mechanism) and no_design(type_space(case.types), case.mechanism) is None
    return regimes + tuple(rule for rule in market_rules() if quick or not TAX_RULES[rule].designed)


def along(tree: Json, spans: Sequence[Span], policies: Sequence[str], report: Report | None = None) -> Tree:
    """One or two keys varied: tidy rows at every point, and along one key the values at which something changes."""
    grid = np.stack(np.meshgrid(*(span.values for span in spans), indexing="ij"), -1).reshape(-1, len(spans))
    columns = _solved(tree, spans, grid, policies, report)
    width = len(policies)
    rows = []
    for k, point in enumerate(grid):
        for j in range(width):
            at = k * width + j
            row: Tree = {span.key: float(v) for span, v in zip(spans, point, strict=True)}
            row |= {"policy": str(columns["policy"][at]), "status": str(columns["status"][at])}
            row |= {name: None if np.isnan(columns[name][at]) else float(columns[name][at]) for name in NUMBERS}
            rows.append(row | {"ic": columns["ic"][at] or None, "ir": columns["ir"][at] or None, "message": columns["message"][at] or None})
    events, more = _events(tree, spans[0], grid[:, 0], columns, policies) if len(spans) == 1 else ([], 0)
    return {
        "vary": [{"key": s.key, "low": s.low, "high": s.high, "count": s.count} for s in spans],
        "policies": list(policies),
        "rows": rows,
        "events": events,
        "more_events": more,
    }


def _solved(tree: Json, spans: Sequence[Span], points: Array, policies: Sequence[str], report: Report | None = None) -> Columns:
    """The columns of all points; a point that is no admissible market has the status `bad_case`."""
    found = []
    for start in range(0, len(points), BATCH):
        if report is not None:
            report(start, len(points))
        found.append(_some(tree, spans, points[start : start + BATCH], policies))
    if report is not None:
        report(len(points), len(points))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _some(tree: Json, spans: Sequence[Span], points: Array, policies: Sequence[str]) -> Columns:
    cases, good, bad = [], [], {}
    for k, point in enumerate(points):
        one = deepcopy(tree)
        for span, value in zip(spans, point, strict=True):
            set_at(one, key_path(span.key), float(value))
        try:
            cases.append(parse_tree(one))
            good.append(k)
        except BadCase as fault:
            bad[k] = "; ".join(map(str, fault.faults))
    width = len(policies)
    solved = solve_many(cases, policies)
    if not bad:
        return solved
    rows = (np.array(good, int)[:, None] * width + np.arange(width)).ravel()
    out: Columns = {}
    for name, values in solved.items():
        empty: Any = np.nan if values.dtype == float else ""
        out[name] = np.full(len(points) * width, empty, values.dtype)
        out[name][rows] = values
    out["policy"] = np.array(list(policies) * len(points), object)
    for k, message in bad.items():
        out["status"][k * width : (k + 1) * width], out["message"][k * width : (k + 1) * width] = "bad_case", message
    return out


# --- where things change


TIE = "tie"
"""Said of two policies that are equally good."""


@dataclass(frozen=True)
class Label:
    """Something that may change along a path: what it is called, and what it says of points (n,) as text."""

    kind: str
    policies: tuple[str, ...]
    read: Callable[[Columns], Any]
    """From columns of points to (n,) labels."""


def _labels(columns: Columns, policies: Sequence[str]) -> list[Label]:
    width = len(policies)

    def of(policy: str, name: str) -> Callable[[Columns], Any]:
        j = list(policies).index(policy)
        return lambda c: c[name][j::width]

    def order(one: str, other: str) -> Callable[[Columns], Any]:
        first, second = of(one, "welfare_net"), of(other, "welfare_net")

        def read(c: Columns) -> Any:
            gap = first(c) - second(c)
            words = np.where(gap >= 0, f"{one} above {other}", f"{other} above {one}")
            equal = np.abs(gap) <= SAME * np.maximum(1.0, np.abs(first(c)))
            return np.where(np.isnan(gap), "", np.where(equal, TIE, words))

        return read

    def bounds(policy: str) -> Callable[[Columns], Any]:
        shared = [of(policy, f"sharing_{i}") for i in (1, 2)]
        invested = [of(policy, f"investment_{i}") for i in (1, 2)]
        status = of(policy, "status")
        imposed = len(set(REGIMES[policy].sharing_range)) == 1

        def read(c: Columns) -> Any:
            words = []
            for told, s1, s2, t1, t2 in zip(status(c), *(f(c) for f in (*shared, *invested)), strict=True):
                if told not in SOLVED:
                    words.append(str(told))
                    continue
                at = [f"firm {i} shares everything" for i, s in ((1, s1), (2, s2)) if s >= 1 - SAME and not imposed]
                at += [f"firm {i} shares nothing" for i, s in ((1, s1), (2, s2)) if s <= SAME and not imposed]
                at += [f"firm {i} does not invest" for i, t in ((1, t1), (2, t2)) if t <= SAME]
                at += ["an investment is capped"] if told == "corner" and not at else []
                words.append(", ".join(at) or "no bound binds")
            return np.array(words, object)

        return read

    labels = []
    for one, other in combinations(policies, 2):
        gap = np.abs(of(one, "welfare_net")(columns) - of(other, "welfare_net")(columns))
        size = SAME * np.maximum(1.0, np.abs(of(one, "welfare_net")(columns)))
        if np.any(gap > size):  # otherwise a tie all along
            labels.append(Label("order", (one, other), order(one, other)))
    labels += [Label("bounds", (policy,), bounds(policy)) for policy in policies if policy in REGIMES]
    labels += [Label("status", (policy,), of(policy, "status")) for policy in policies if policy in TAX_RULES]
    labels += [Label(kind, (policy,), of(policy, kind)) for policy in policies if policy in TAX_RULES for kind in ("ic", "ir")]
    return labels


def _events(tree: Json, span: Span, values: Array, columns: Columns, policies: Sequence[str]) -> tuple[list[Tree], int]:
    """What changes between two neighbouring points, each bracketed to `NARROW` of the range, and how much more does."""
    width = len(policies)
    brackets: list[tuple[Label, float, float, str, str]] = []
    for label in _labels(columns, policies):
        words = label.read(columns).astype(object)
        for n in range(1, len(words)):
            if words[n] == TIE:  # nobody has overtaken anybody yet
                words[n] = words[n - 1]
        for k in np.flatnonzero(words[1:] != words[:-1]):
            if label.kind == "order" and {"", TIE} & {words[k], words[k + 1]}:
                continue  # a figure that ends or begins is told by its status, and a tie that ends is no overtaking
            brackets.append((label, float(values[k]), float(values[k + 1]), str(words[k]), str(words[k + 1])))
    brackets.sort(key=lambda b: (b[1], b[0].kind, b[0].policies))
    active = brackets[:MOST_EVENTS]
    narrow = NARROW * abs(span.high - span.low)
    while active and max(high - low for _, low, high, _, _ in active) > narrow:
        middles = sorted({(low + high) / 2 for _, low, high, _, _ in active})
        found = _solved(tree, [span], np.array(middles)[:, None], policies)
        place = {value: k for k, value in enumerate(middles)}
        halved = []
        for label, low, high, before, after in active:
            middle = (low + high) / 2
            at = place[middle] * width
            here = str(label.read({name: column[at : at + width] for name, column in found.items()})[0])
            # The first change is followed; a third state in between is another change.
            halved.append((label, middle, high, before, after) if here in (before, TIE) else (label, low, middle, before, here))
        active = halved
    told = [
        {
            "kind": label.kind,
            "policies": list(label.policies),
            "at": (low + high) / 2,
            "within": high - low,
            "before": before,
            "after": after,
        }
        for label, low, high, before, after in sorted(active, key=lambda b: b[1])
    ]
    return told, len(brackets) - len(active)
