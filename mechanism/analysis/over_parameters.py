"""What would overturn a recommendation: the nearest value of every number of the market at which
another policy wins.

Each number runs from half to twice its own value while all others stay, as far as there is a
market; from nothing to one natural unit where it is zero. All of them run at once, as the markets
of one batch. Where types are private a market takes too long for that: there `pigou what-if --vary`
follows one number at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.units import natural_units
from mechanism.analysis.many import rank_known
from mechanism.analysis.overturn import NO_MARKET, NOBODY, Line, Met, followed, met
from mechanism.casefile.case_keys import key_path, leaves, value_at
from mechanism.casefile.policy_case import PolicyCase, case_at
from mechanism.casefile.proportions import DIMENSIONS
from mechanism.casefile.standard import standard_of
from mechanism.ranking.contenders import in_the_running
from mechanism.ranking.recommendation import Switch

if TYPE_CHECKING:
    from mechanism.report.results import Evaluation

MARKET_BLOCKS = ("demand", "security", "cost", "unit_cost")
"""The blocks of a case whose numbers describe its market."""
SPAN = 2.0
"""How many times its own value, or which part of it, a number runs to."""
LOOKS_A_SIDE = 5
"""Values looked at first on each side of a number's own, which is the first of them."""
FOUND_TO = 1e-5
"""Width of a bracket beside the value at which it is narrow enough."""


def over_parameters(found: Evaluation) -> tuple[Switch, ...]:
    """The nearest switches on both sides of every number of the market; none where types are
    private."""
    if found.types is not None:
        return ()
    policies = in_the_running(None, standard_of(found.case.mechanism))
    tree = found.case.resolved | {"expect": {}}
    keys = [key for key in leaves(tree) if key.partition(".")[0] in MARKET_BLOCKS]
    lines = {
        key: line
        for key in keys
        if (line := _line(found.case.market, key, value_at(tree, key_path(key))))
    }
    paths = [key_path(key) for key in lines]

    def solve(which: NDArray[np.intp], x: Array) -> Met:
        tried = [case_at(tree, {paths[n]: float(value)}) for n, value in zip(which, x, strict=True)]
        there = np.array([isinstance(one, PolicyCase) for one in tried])
        told = met(
            rank_known(
                [found.case, *(one for one in tried if isinstance(one, PolicyCase))], policies
            )
        )
        winner, turns = (
            np.full(len(x), NO_MARKET, object),
            np.full((len(x), told.turns.shape[1]), np.nan),
        )
        winner[there], turns[there] = told.winner[1:], told.turns[1:]
        return Met(winner=winner, turns=turns)

    out = []
    for key, seen in zip(lines, followed(list(lines.values()), solve), strict=True):
        for k in seen.switches():
            beyond = seen.winner[k if seen.x[k] < seen.line.own else k + 1]
            if NO_MARKET not in (seen.winner[k], seen.winner[k + 1]):
                to = None if beyond == NOBODY else beyond
                out.append(Switch(key=key, value=float(seen.x[k] + seen.x[k + 1]) / 2, to=to))
    return tuple(out)


def _line(market: Case, key: str, own: Any) -> Line | None:
    """The range a number runs over; None of what is no number."""
    if isinstance(own, bool) or not isinstance(own, int | float):
        return None
    low, high = sorted((own / SPAN, own * SPAN))
    if own == 0:
        block = key.partition("[")[0]
        dimension = DIMENSIONS.get(block) or DIMENSIONS.get(block.rpartition(".")[0], "number")
        high = float(natural_units(market).of(dimension).ravel()[0])
    first = np.unique([*np.linspace(low, own, LOOKS_A_SIDE), *np.linspace(own, high, LOOKS_A_SIDE)])
    return Line(low=low, high=high, own=float(own), values=first, width=FOUND_TO)
