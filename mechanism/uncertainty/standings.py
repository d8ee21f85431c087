"""What policies come to at each of many cases, and which is recommended there.

Where a policy cannot be recommended, choosing it leaves today's market as it is, whose figures then
stand for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.analysis.many import Columns, solve_many
from mechanism.casefile.policies import today
from mechanism.casefile.policy_case import PolicyCase
from mechanism.casefile.standard import standard_of
from mechanism.casefile.types import type_space
from mechanism.ranking.contenders import in_the_running

FIGURES = ("consumer_surplus", "profit[0]", "profit[1]", "welfare", "value")
"""What is told of every policy, when everybody takes part."""
LEVELS = ("sharing_1", "sharing_2", "investment_1", "investment_2")
"""The columns of levels."""
AT_ONCE, WITH_TYPES = 512, 16
"""Cases that are solved together, and those with private types: more are no faster each, and it is
told how many are done."""


@dataclass(frozen=True, kw_only=True)
class Standings:
    """P policies at n cases."""

    policies: tuple[str, ...]
    """Their keys, in the order of reports."""
    today: str
    """The one that leaves the market as it is."""
    best: NDArray[np.object_]
    """(n,): what is recommended; empty where nothing is, a case without an outcome."""
    most: Array
    """(n,): its value."""
    able: NDArray[np.bool_]
    """(n, P): whether a policy can be recommended."""
    levels: Array
    """(n, P, 4): what firms share and invest; NaN where there are no figures."""
    figures: dict[str, Array]
    """(n, P) by `FIGURES`: as a policy stands, today's market where it cannot be recommended."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """(n,): which cases have an outcome."""
        return self.best.astype(bool)

    def figure(self, name: str, policy: str) -> Array:
        """(n,): a figure of one policy; NaN where there is no outcome."""
        return np.where(self.there, self.figures[name][:, self.policies.index(policy)], np.nan)


def standings(
    cases: Sequence[PolicyCase], tell: Callable[[int], None] = lambda done: None
) -> Standings:
    """Everything that may win at these cases, whose types are the same; `tell` hears how many are
    solved."""
    first = cases[0]
    types = None if first.types is None else type_space(first.types)
    keys = [row.key for row in in_the_running(types, standard_of(first.mechanism))]
    size = AT_ONCE if types is None else WITH_TYPES
    parts = []
    tell(0)
    for start in range(0, len(cases), size):
        parts.append(solve_many(cases[start : start + size], keys))
        tell(min(start + size, len(cases)))
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    shape = (len(cases), len(keys))
    told = {name: table[name].reshape(shape) for name in FIGURES if name in table}
    told |= {f"profit[{i}]": _kept(table, i + 1).reshape(shape) for i in (0, 1)}
    best, most, competes = (
        table[name].reshape(shape) for name in ("best", "best_value", "competes")
    )
    worth = told[FIGURES[-1]]
    able = (competes == 1) & np.isfinite(worth)
    now = today(private=types is not None)
    as_it_is = [keys.index(now)]
    return Standings(
        policies=tuple(keys),
        today=now,
        best=best[:, 0],
        most=most[:, 0],
        able=able,
        levels=np.stack([table[name].reshape(shape) for name in LEVELS], -1),
        figures={name: np.where(able, told[name], told[name][:, as_it_is]) for name in FIGURES},
    )


def _kept(table: Columns, firm: int) -> Array:
    """(rows,): what a firm keeps when everybody takes part, the flat part or what members pay each
    other included."""
    kept, flat, net = (
        table[f"{name}_{firm}"] for name in ("profit", "flat_payment", "net_transfer")
    )
    return np.asarray(kept + np.where(np.isnan(flat), net, flat))
