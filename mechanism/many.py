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
from market.outcome import account
from market.regimes import REGIMES, Outcomes, solve_markets
from mechanism.many_types import PER_FIRM, TOTALS, block_size, solve_block
from mechanism.rules import TAX_RULES
from mechanism.schema import MechanismOptions, PolicyCase
from mechanism.tidy import welfare_net
from mechanism.transfers import no_design
from mechanism.types import TypeSpace, type_space

Columns = dict[str, NDArray[Any]]

TEXT = ("policy", "status", "message", "ic", "ir")
"""The columns that hold strings, the last two whether truth and participation hold under a tax rule; all others hold floats, NaN where no
number is claimed."""

NUMBERS = (
    *(f"{name}_{firm}" for name in PER_FIRM for firm in (1, 2)),
    *TOTALS,
    "welfare_net",
    "ic_max_gain",
    "ir_min_slack",
    "residual",
    "regret",
)
"""The columns of figures: money in the case's own unit, residual and regret in natural units. `welfare_net` is welfare less the case's
shadow cost of public funds for every unit that is paid out."""


def tax_rules() -> tuple[str, ...]:
    """The tax rules that can be asked for at many cases."""
    return tuple(key for key, rule in TAX_RULES.items() if rule.in_markets)


NOT_ASKED = "not_asked"
"""The status of a tax rule at a case without types, and of transfers that are not solved for under the case's options."""

NEEDS_TYPES = "a tax rule taxes reports: the case needs types"
"""Why a tax rule has no figures at a case whose cost spillovers are known."""


def solve_many(cases: Sequence[PolicyCase], policies: Sequence[str]) -> Columns:
    """Columns over rows (case-major, then policies in the order asked) of what each policy leads to at each case."""
    unknown = [policy for policy in policies if policy not in REGIMES and policy not in tax_rules()]
    if unknown:
        raise ValueError(f"no such policy: {', '.join(unknown)}; there are {', '.join([*REGIMES, *tax_rules()])}")
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
    """The positions of cases with types that can be solved together: the same types, options and cost form, and firms of the same
    names and likeness."""
    found: dict[Any, list[int]] = {}
    for i, case in enumerate(cases):
        if case.types is not None:
            market = case.market
            key = (case.types, case.mechanism, market.cost_form, market.firms, market.unit_cost is None, market.alike())
            found.setdefault(key, []).append(i)
    return list(found.values())


def _with_types(out: Columns, cases: list[PolicyCase], at: list[int], policies: Sequence[str]) -> None:
    """Write the rows of cases with the same types: together where they are plain, each searched thoroughly where they are not."""
    first = cases[0]
    assert first.types is not None
    types, options = type_space(first.types), first.mechanism
    start = np.array(at) * len(policies)
    place = {policy: k for k, policy in enumerate(policies)}
    for policy, why in _not_asked(types, options, policies).items():
        rows = start + place.pop(policy)
        out["status"][rows], out["message"][rows] = NOT_ASKED, why

    def write(rows: NDArray[np.intp], figures: Mapping[str, Columns]) -> None:
        for policy, found in figures.items():
            here = rows + place[policy]
            for name, values in found.items():
                if name in PER_FIRM:
                    out[f"{name}_1"][here], out[f"{name}_2"][here] = values[:, 0], values[:, 1]
                else:
                    out[name][here] = values

    size = block_size(types)
    for k in range(0, len(cases) if place else 0, size):
        market, rows = stack([case.market for case in cases[k : k + size]]), start[k : k + size]
        figures, plain = solve_block(market, types, options, tuple(place))
        write(rows[plain], figures)
        for lane in np.flatnonzero(~plain):
            write(rows[[lane]], solve_block(market.take([lane]), types, options, tuple(place), plain=False)[0])


def _not_asked(types: TypeSpace, options: MechanismOptions, policies: Sequence[str]) -> dict[str, str]:
    """The tax rules that have nothing to ask at these types and options, and why."""
    out = {}
    for policy in policies:
        rule = TAX_RULES.get(policy)
        if rule is not None and rule.designed and (why := no_design(types, options)):
            out[policy] = why.text
        if rule is not None and rule.observed and types.private_values:
            out[policy] = (
                "of use only where both types move both profits: the market that comes about shows nothing else that reports do not"
            )
    return out


# --- stacking


def groups(markets: Sequence[Case]) -> list[list[int]]:
    """The positions of markets that one stacked `Case` can hold: the same cost form and firms, and all or none with a unit cost."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for i, market in enumerate(markets):
        found.setdefault((market.cost_form, market.firms, market.unit_cost is None), []).append(i)
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
        **{name: joined([getattr(market, name) for market in markets]) for name in PARAMETERS},
        cost_form=first.cost_form,
        unit_cost=unit,
        firms=first.firms,
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
