"""A regime's outcomes at many markets: one record over lanes, of which the outcome of a single
market is a lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import (
    SOLVED,
    Certificate,
    Outcome,
    Solution,
    account,
    bindings,
    finish,
    read_only,
    unsolved,
)
from market.model.units import NaturalUnits
from market.regimes.table import Regime


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """A regime's outcomes in L markets; figures are NaN where none is claimed. Arrays are
    read-only."""

    status: NDArray[np.object_]
    """(L,): the status of every market."""
    message: NDArray[np.object_]
    """(L,): why nothing is claimed; empty where something is."""
    levels: Array
    """(L, 4)."""
    residual: Array
    """(L,): projected first-order residual, natural units."""
    regret: Array
    """(L,): largest gain from a global own deviation, natural units; NaN where nobody deviates."""
    curvature: Array
    """(L,): largest second derivative of a chooser's payoff in its own free levels, natural units;
    NaN where none is free or nobody asked."""
    binding: NDArray[np.bool_]
    """(L, 4): which levels lie on a bound of what is chosen."""
    switching: NDArray[np.bool_]
    """(L,): whether a later reply switches there."""
    ending: NDArray[np.bool_]
    """(L,): whether the equilibrium that follows ends there, and best replies run away beyond."""
    several: NDArray[np.bool_]
    """(L,): whether another local optimum or equilibrium was met."""
    plain: NDArray[np.bool_]
    """(L,): whether a more thorough search has nothing to add: no solution can exist, or all starts
    led to the same one and there can be none that few starts miss."""
    thorough: NDArray[np.bool_]
    """(L,): which markets were searched from many starts, each alone, with all proofs."""
    proven: NDArray[np.bool_]
    """(L,): whether no better point exists up to `gap` (optima), or every best reply is exact
    (equilibria)."""
    gap: Array
    """(L,): how far, in natural units, a proven upper bound lies above an optimum's value; NaN
    where there is none."""
    driven_out: NDArray[np.intp]
    """(L,): the firm that would be driven out of the market, which is why nothing is claimed; -1:
    none."""
    value: Array
    """(L,): what a sole chooser's payoff is at most with every firm selling, where it would rather
    drive one out; money, else NaN."""
    approached: NDArray[np.object_]
    """(L,): the `Solution` at which that is approached; None where there is none."""
    leaving_out: NDArray[np.object_]
    """(L,): the `LeavingOut` of a sole chooser, amounts as `value`; None where none was found or
    nobody asked."""
    unique: NDArray[np.object_]
    """(L,): `Uniqueness` of an equilibrium; None where that is not asked."""
    reply_eigenvalues: Array
    """(L, 4): moduli of the eigenvalues of the best-reply map at an equilibrium, largest first; NaN
    where nobody asked."""
    others: NDArray[np.object_]
    """(L,): tuples of every other `Solution` found; empty where nobody asked."""

    def __post_init__(self) -> None:
        read_only(*vars(self).values())

    @property
    def solved(self) -> NDArray[np.bool_]:
        """(L,): whether numbers are claimed."""
        return np.isin(self.status, list(SOLVED))


def outcomes(lanes: int, **columns: Any) -> Outcomes:
    """The record with these columns, (L, ...) or one value for all, and nothing claimed in the
    others."""
    out: dict[str, NDArray[Any]] = {}
    for name, (shape, blank, kind) in _BLANK.items():
        column: NDArray[Any] = np.empty((lanes, *shape), kind)
        values = columns.get(name, blank)
        if isinstance(values, np.ndarray):
            column[:] = values
        else:
            column.fill(values)
        out[name] = column
    return Outcomes(**out)


_BLANK: dict[str, tuple[tuple[int, ...], Any, type]] = {
    **dict.fromkeys(("status", "message"), ((), "", object)),
    **dict.fromkeys(("residual", "regret", "curvature", "gap"), ((), np.nan, float)),
    **dict.fromkeys(
        ("switching", "ending", "several", "plain", "thorough", "proven"), ((), False, bool)
    ),
    "driven_out": ((), -1, np.intp),
    "value": ((), np.nan, float),
    "levels": ((4,), np.nan, float),
    "reply_eigenvalues": ((4,), np.nan, float),
    "binding": ((4,), False, bool),
    **dict.fromkeys(("unique", "leaving_out", "approached"), ((), None, object)),
    "others": ((), (), object),
}
"""Of every column the shape of a lane's entry, what stands where nothing is claimed, and the
type."""


def joined(lanes: int, parts: Sequence[tuple[Any, Outcomes]]) -> Outcomes:
    """The record of L markets from those of some of them each, (which, record); later ones
    count."""
    return (
        outcomes(lanes)
        if not parts
        else Outcomes(**{f.name: _column(lanes, f.name, parts) for f in fields(Outcomes)})
    )


def restored(found: Outcomes, units: NaturalUnits) -> Outcomes:
    """The record of markets that were solved in natural units, in their own; what certifies stays
    natural."""
    lanes = len(found.status)
    money, quantity = (np.broadcast_to(a, (lanes, 1)) for a in (units.money, units.quantity))
    scale = np.concatenate([np.ones((lanes, 2)), quantity, quantity], -1)
    others, left_out = found.others.copy(), found.leaving_out.copy()
    approached = found.approached.copy()

    def own(one: Solution, lane: np.intp) -> Solution:
        return replace(
            one,
            levels=one.levels * scale[lane],
            profit=one.profit * money[lane],
            welfare=float(one.welfare * money[lane, 0]),
        )

    for lane in np.flatnonzero(found.others.astype(bool)):
        others[lane] = tuple(own(other, lane) for other in found.others[lane])
    for lane in np.flatnonzero(found.approached.astype(bool)):
        approached[lane] = own(found.approached[lane], lane)
    for lane in np.flatnonzero(found.leaving_out.astype(bool)):
        unit, one = float(money[lane, 0]), found.leaving_out[lane]
        left_out[lane] = replace(one, value=one.value * unit, every_firm=one.every_firm * unit)
    return replace(
        found,
        levels=found.levels * scale,
        value=found.value * money[:, 0],
        others=others,
        approached=approached,
        leaving_out=left_out,
    )


def part(found: Outcomes, lanes: Any) -> Outcomes:
    """The record of these lanes alone."""
    return Outcomes(**{f.name: getattr(found, f.name)[lanes] for f in fields(Outcomes)})


def _column(lanes: int, name: str, parts: Sequence[tuple[Any, Outcomes]]) -> NDArray[Any]:
    shape, _, kind = _BLANK[name]
    out: NDArray[Any] = np.empty((lanes, *shape), kind)
    for which, part in parts:
        out[which] = getattr(part, name)
    return out


def outcome_at(case: Case, regime: Regime, found: Outcomes, lane: int) -> Outcome:
    """The outcome of one lane; `case` is that lane's alone."""
    if found.status[lane] not in SOLVED:
        out = int(found.driven_out[lane])
        return unsolved(
            regime.key,
            found.status[lane],
            found.message[lane],
            case.firms,
            others=found.others[lane],
            driven_out=None if out < 0 else out,
            value=None if np.isnan(found.value[lane]) else float(found.value[lane]),
            approached=found.approached[lane],
            leaving_out=found.leaving_out[lane],
        )

    def figure(column: Array) -> float | None:
        return None if np.isnan(column[lane]) else float(column[lane])

    x, moduli = found.levels[lane], found.reply_eigenvalues[lane]
    certificate = Certificate(
        residual=figure(found.residual),
        curvature=figure(found.curvature),
        regret=figure(found.regret),
        scope="proven" if found.proven[lane] else "searched",
        gap=figure(found.gap),
        leaving_out=found.leaving_out[lane],
        others=found.others[lane],
        bounds=bindings(x, found.binding[lane]),
        switching=bool(found.switching[lane]),
        ending=bool(found.ending[lane]),
        unique=found.unique[lane],
        reply_eigenvalues=None if np.isnan(moduli).any() else tuple(float(v) for v in moduli),
    )
    return finish(case, regime.key, x, account(case, x[None], regime.prices), certificate)
