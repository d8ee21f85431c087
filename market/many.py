"""One regime at many unrelated markets at once, with the statuses and certificates that each would have alone.

Markets are solved in blocks by `market.family.solve_lanes`, games in stages by `market.stages`. Whatever is not plain there (nothing found,
several optima or equilibria, a kink) is solved again alone by `market.regimes.solve_regime`, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.case import SHARING, Array, Case
from market.family import solve_lanes
from market.regimes import REGIMES, STARTS, level_bounds, solve_regime, unbounded, why_unbounded
from market.solve.optimum import on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from market.stages import Staged, invest_first, lead

BLOCK = {"firms": 4000, "alliance": 16_000, "planner": 16_000}
"""Markets solved together, by who chooses: a game's should fit the processor's cache; climbs take their own share of them at a time."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """A regime's outcomes in L markets; figures are NaN where none is claimed."""

    status: NDArray[np.object_]
    """(L,): the status of every market."""
    message: NDArray[np.object_]
    """(L,): why nothing is claimed; empty where something is."""
    levels: Array
    """(L, 4)."""
    residual: Array
    """(L,): projected first-order residual over max(1, |payoff|)."""
    regret: Array
    """(L,): largest gain from a global own deviation over max(1, |payoff|); NaN where nobody deviates."""
    alone: NDArray[np.bool_]
    """(L,): which markets were solved one at a time."""


def solve_markets(case: Case, key: str, lanes: int, tolerances: Tolerances = DEFAULT) -> Outcomes:
    """The outcomes of one regime at the L markets of a flat case."""
    out = Outcomes(
        status=np.full(lanes, "", object),
        message=np.full(lanes, "", object),
        levels=np.full((lanes, 4), np.nan),
        residual=np.full(lanes, np.nan),
        regret=np.full(lanes, np.nan),
        alone=np.zeros(lanes, bool),
    )
    regime = REGIMES[key]
    limitless = np.broadcast_to(unbounded(case, regime), lanes)
    for lane in np.flatnonzero(limitless):
        out.status[lane], out.message[lane] = "unbounded", why_unbounded(case.take([lane]), regime)
    size = BLOCK[regime.chooser]
    for start in range(0, lanes, size):
        which = start + np.flatnonzero(~limitless[start : start + size])
        if len(which):
            _block(case.take(which), key, out, which, tolerances)
    return out


def _block(case: Case, key: str, out: Outcomes, which: NDArray[np.intp], tolerances: Tolerances) -> None:
    """Fill in the markets `which` of the outcomes; `case` holds them alone."""
    regime, lanes = REGIMES[key], len(which)
    if regime.order == "together":
        found = solve_lanes(case, regime, lanes, tolerances)
        levels, residual, regret = found.levels, found.residual, found.regret
        plain = np.isfinite(levels).all(-1) & ~found.several
    else:
        staged = [lead(case, lanes, regime.leader, tolerances)] if regime.leader is not None else _invested(case, lanes, tolerances)
        first = staged[0]
        levels, residual, regret = first.levels, first.residual, first.regret
        plain = np.isfinite(levels).all(-1) & ~first.runaway & ~first.switching
        plain &= (residual <= tolerances.residual) & (regret <= tolerances.regret)
        for other in staged[1:]:  # from other starts the same, or several equilibria
            plain &= (np.abs(other.levels - levels) <= 1e-7 * np.maximum(1.0, np.abs(levels))).all(-1)
    lower, upper = level_bounds(case, lanes)
    if regime.sharing_range[0] == regime.sharing_range[1]:  # what is imposed is no corner of a choice
        lower[:, SHARING], upper[:, SHARING] = -np.inf, np.inf
    at = np.nan_to_num(levels)
    at_bound = np.any(on_bound(at, lower, tolerances) | on_bound(at, upper, tolerances), axis=-1)
    done = which[plain]
    out.status[done] = np.where(at_bound[plain], "corner", "converged")
    out.levels[done], out.residual[done], out.regret[done] = levels[plain], residual[plain], regret[plain]
    for lane in np.flatnonzero(~plain):
        alone = solve_regime(case.take([lane]), key, tolerances)
        there = which[lane]
        out.status[there], out.message[there], out.alone[there] = alone.status, alone.message or "", True
        if alone.levels is not None and alone.solved:
            certificate = alone.certificate
            out.levels[there] = alone.levels
            out.residual[there] = np.nan if certificate.residual is None else certificate.residual
            out.regret[there] = np.nan if certificate.regret is None else certificate.regret


def _invested(case: Case, lanes: int, tolerances: Tolerances) -> list[Staged]:
    return [invest_first(case, lanes, start, tolerances) for start in STARTS]
