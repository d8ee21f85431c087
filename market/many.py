"""One regime at many unrelated markets at once, with the statuses and certificates that each would have alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.case import Array, Case
from market.regimes import solve_regime
from market.solve.tolerances import DEFAULT, Tolerances


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


def nothing(lanes: int) -> Outcomes:
    """Outcomes yet to be filled in."""
    return Outcomes(
        status=np.full(lanes, "", object),
        message=np.full(lanes, "", object),
        levels=np.full((lanes, 4), np.nan),
        residual=np.full(lanes, np.nan),
        regret=np.full(lanes, np.nan),
        alone=np.zeros(lanes, bool),
    )


def solve_each(case: Case, key: str, out: Outcomes, lanes: NDArray[np.intp], tolerances: Tolerances = DEFAULT) -> None:
    """Fill in these markets of a flat case, each solved alone."""
    for lane in lanes:
        found = solve_regime(case.take([lane]), key, tolerances)
        out.status[lane], out.message[lane], out.alone[lane] = found.status, found.message or "", True
        if found.levels is not None and found.solved:
            certificate = found.certificate
            out.levels[lane] = found.levels
            out.residual[lane] = np.nan if certificate.residual is None else certificate.residual
            out.regret[lane] = np.nan if certificate.regret is None else certificate.regret


def solve_markets(case: Case, key: str, lanes: int, tolerances: Tolerances = DEFAULT) -> Outcomes:
    """The outcomes of one regime at the L markets of a flat case."""
    out = nothing(lanes)
    solve_each(case, key, out, np.arange(lanes), tolerances)
    return out
