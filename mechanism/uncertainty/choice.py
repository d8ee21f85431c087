"""Policies over markets that are drawn: which is best how often, what choosing it costs where it is
not, where that is, and what it would be worth to know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.analysis.many import Columns, solve_many
from mechanism.casefile.policies import today
from mechanism.casefile.policy_case import PolicyCase
from mechanism.casefile.standard import standard_of
from mechanism.casefile.types import type_space
from mechanism.ranking.contenders import in_the_running
from mechanism.report.over_draws import FigureOverDraws, OverDraws, PolicyOverDraws
from mechanism.uncertainty.draws import Draws, draw
from mechanism.uncertainty.information import value_of_information
from mechanism.uncertainty.where_wrong import where_wrong

FIGURES = ("consumer_surplus", "profit[0]", "profit[1]", "welfare", "value")
"""What is told of every policy, when everybody takes part."""
QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
"""By name."""


def choice_over_draws(
    case: PolicyCase, drawn: Draws | None = None, recommended: str | None = None
) -> OverDraws:
    """Which policy is best how often in the markets that a case's uncertainty allows, and how often
    and where `recommended` is.

    Every market is ranked as `evaluate` ranks it. What is recommended there may be worth less than
    another policy by what does not count (`mechanism.materiality`), so that a regret may be
    negative by as much. Where a policy cannot be recommended, choosing it leaves today's market as
    it is, whose figures then count.
    """
    drawn = draw(case) if drawn is None else drawn
    types = None if case.types is None else type_space(case.types)
    keys = [row.key for row in in_the_running(types, standard_of(case.mechanism))]
    now = keys.index(today(private=types is not None))
    table = solve_many(drawn.cases, keys)
    shape = (len(drawn.cases), len(keys))
    best, most = (table[name].reshape(shape)[:, 0] for name in ("best", "best_value"))
    there = best != ""
    best, most, values = best[there], most[there], drawn.values[there]
    worth, able = (table[name].reshape(shape)[there] for name in ("value", "competes"))
    able = (able == 1) & np.isfinite(worth)
    surplus, welfare = (
        table[name].reshape(shape)[there] for name in ("consumer_surplus", "welfare")
    )
    told = (surplus, *(_kept(table, firm).reshape(shape)[there] for firm in (1, 2)), welfare, worth)
    standing = [np.where(able, figure, figure[:, [now]]) for figure in told]
    value = standing[-1]
    some = able.any(0)
    worths = value_of_information(values, value[:, some]) if there.any() else None
    return OverDraws(
        draws=len(drawn.cases),
        seed=drawn.seed,
        without_outcome=int((~there).sum()),
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
            _over(key, best == key, value[:, p], able[:, p], most) for p, key in enumerate(keys)
        ),
        value_of_information=(
            {} if worths is None else dict(zip(drawn.keys, worths.each.tolist(), strict=True))
        ),
        perfect_information=None if worths is None else worths.all,
        wrong_where=(
            () if recommended is None else where_wrong(drawn.keys, values, best != recommended)
        ),
    )


def _kept(table: Columns, firm: int) -> Array:
    """(rows,): what a firm keeps when everybody takes part, the flat part or what members pay each
    other included."""
    kept, flat, net = (
        table[f"{name}_{firm}"] for name in ("profit", "flat_payment", "net_transfer")
    )
    return np.asarray(kept + np.where(np.isnan(flat), net, flat))


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
