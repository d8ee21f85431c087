"""Policies over markets that are drawn: which is best how often, what choosing it costs where it is
not, where that is, and what it would be worth to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.analysis.many import kept_rates
from mechanism.casefile.policy_case import PolicyCase
from mechanism.report.over_draws import (
    RATES,
    FigureOverDraws,
    KeptRates,
    OverDraws,
    PolicyOverDraws,
)
from mechanism.uncertainty.draws import Draws, draw
from mechanism.uncertainty.information import value_of_information
from mechanism.uncertainty.standings import FIGURES, Standings, standings
from mechanism.uncertainty.where_wrong import where_wrong

TRIED, TRIED_WITH_TYPES = 16, 4
"""Draws that are solved first where nothing is recommended at the case's own numbers."""
QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
"""By name."""


def choice_over_draws(
    case: PolicyCase,
    drawn: Draws | None = None,
    recommended: str | None = None,
    fixed: tuple[Array, Array] | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> OverDraws:
    """Which policy is best how often in the markets that a case's uncertainty allows, and how often
    and where `recommended` is.

    Every market is ranked as `evaluate` ranks it. What is recommended there may be worth less than
    another policy by what does not count (`mechanism.materiality`), so that a regret may be
    negative by as much. Where a policy cannot be recommended, choosing it leaves today's market as
    it is, whose figures then count.

    A policy is a kind of policy here: its rates are those of the market that is drawn. `fixed` are
    the rates (2, 4) of the case's own numbers and the levels (4,) they lead to there, for what they
    come to where they are kept whatever is drawn. `tell` hears how many markets of how many are
    solved. Where nothing is recommended, nor can be in the first few draws, the others are left:
    each would be searched at length, and in vain.
    """
    drawn = draw(case) if drawn is None else drawn
    asked, found = len(drawn.cases), None
    if recommended is None:
        n = TRIED if case.types is None else TRIED_WITH_TYPES
        few = replace(drawn, values=drawn.values[:n], cases=drawn.cases[:n])
        tell(0, asked)
        found = standings(few.cases)
        drawn, found = (drawn, None) if found.there.any() else (few, found)
    if found is None:
        found = standings(drawn.cases, lambda done: tell(done, asked))
    keys, there = found.policies, found.there
    now = keys.index(found.today)
    best, most, values = found.best[there], found.most[there], drawn.values[there]
    able = found.able[there]
    standing = [found.figures[name][there] for name in FIGURES]
    value = standing[-1]
    some = np.asarray(able.any(0))
    worths = value_of_information(values, value[:, some]) if there.any() else None
    return OverDraws(
        draws=len(drawn.cases),
        seed=drawn.seed,
        without_outcome=int((~there).sum()),
        unsolved=asked - len(drawn.cases),
        inadmissible=drawn.inadmissible,
        recommended=recommended,
        figures=(
            {
                f"{key}.{name}": _spread(figure[:, p])
                for p, key in enumerate(keys)
                for name, figure in zip(FIGURES, standing, strict=True)
                if some[p]
            }
            | (
                {"gain": _spread(value[:, keys.index(recommended)] - value[:, now])}
                if recommended in keys and there.any()
                else {}
            )
        ),
        policies=tuple(
            _over(key, np.asarray(best == key), value[:, p], able[:, p], most)
            for p, key in enumerate(keys)
        ),
        kept_rates=None if fixed is None else _kept(drawn.cases, found, *fixed),
        value_of_information=(
            {} if worths is None else dict(zip(drawn.keys, worths.each.tolist(), strict=True))
        ),
        perfect_information=None if worths is None else worths.all,
        wrong_where=(
            () if recommended is None else where_wrong(drawn.keys, values, best != recommended)
        ),
    )


def _kept(
    cases: Sequence[PolicyCase], found: Standings, rates: Array, levels: Array
) -> KeptRates | None:
    """What rates come to that are kept whatever is drawn."""
    at = np.flatnonzero(found.there)
    if not len(at):
        return None
    here = found.levels[at]
    today, anew = (here[:, found.policies.index(key)] for key in (found.today, RATES))
    starts = np.stack([np.broadcast_to(levels, today.shape), anew, today])
    told = kept_rates([cases[int(k)] for k in at], rates, today, starts)
    solved = np.isfinite(told.value)
    if not solved.any():
        return None
    value, now = told.value[solved], told.today[solved]
    regret = found.most[at][solved] - value
    return KeptRates(
        draws=int(solved.sum()),
        mean_value=float(value.mean()),
        regret_mean=float(regret.mean()),
        regret_max=float(regret.max()),
        worse_share=float((value < now).mean()),
        consumers_lose_share=float(told.consumers_lose[solved].mean()),
    )


def _over(
    key: str, best: NDArray[np.bool_], value: Array, able: NDArray[np.bool_], most: Array
) -> PolicyOverDraws:
    regret, some = most - value, bool(able.any())
    return PolicyOverDraws(
        policy=key,
        best_share=float(best.mean()) if len(best) else 0.0,
        competes_share=float(able.mean()) if len(best) else 0.0,
        mean_value=float(value.mean()) if some else None,
        regret_mean=float(regret.mean()) if some else None,
        regret_max=float(regret.max()) if some else None,
    )


def _spread(figure: Array) -> FigureOverDraws:
    at = np.quantile(figure, list(QUANTILES.values()))
    return FigureOverDraws(
        mean=float(figure.mean()),
        sd=float(figure.std()),
        quantiles=dict(zip(QUANTILES, at.tolist(), strict=True)),
    )
