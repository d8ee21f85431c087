"""Where searches start: sharing on a grid, investments near their optimum there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case, of_firm, rival
from market.model.cost import form_of, unit_cost_rises, usefulness
from market.model.demand import apply as apply_matrix
from market.model.demand import slope_matrix, times
from market.model.outcome import every_firm_sells
from market.model.payoff import Payoff
from market.model.pricing import net_intercept
from market.model.wellposed import investment_response, required_scale
from market.regimes.table import Regime
from market.solve.search import most_around

FINE_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Sharing levels from whose square an optimum is searched."""

AROUND = np.array([[1, 1, *pair] for pair in ((1, 1), (0.3, 0.3), (3, 3), (3, 0.3), (0.3, 3))])
"""Multiples of starting levels from which a thorough search climbs as well."""

SIZES = (0.0, *np.logspace(-4, 3, 15))
"""Investments, natural units, among which any size of firm has its own."""
LARGE, LARGEST = 1e4, 1e10
"""From where on there is one in every decade, and the least up to which."""
ALL_OVER = 1e50
"""Where every search ends: squares of more would not be told apart from what has no limit."""

ALL_SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.85, 1.0)
"""Sharing levels that go with them: close where leakage is so large that hardly any sharing
pays."""

AFAR_BLOCK = 16
"""Markets in which they are looked at together."""


def starting_levels(
    case: Case, benefit: Array, grid: tuple[float, ...] = (0.0, 0.5, 1.0), saved: float = 0.5
) -> Array:
    """Starting points (L, m, 4): sharing on a grid; investment optimal for a cost k share t^2 / 2
    when this part of the saving is made."""
    sharing = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 1, 2)
    lanes = max(case.batch[0], len(benefit))
    # (m, L, 4), lanes next to each other in memory
    x = np.moveaxis(np.zeros((4, len(sharing), lanes)), 0, -1)
    x[..., SHARING] = sharing
    A = net_intercept(case, x)
    M = investment_response(case, x[..., SHARING])
    gain = 2 * times(np.swapaxes(M, -1, -2), benefit)
    slope = apply_matrix(gain, A)
    share = form_of(case).starting_share(
        usefulness(case) * rival(x[..., SHARING]), case.max_saving, saved
    )
    left = [of_firm(case.cost_scale * share, i) for i in (0, 1)]
    bend = times(gain, M)
    curve = [[(left[i] if i == j else 0.0) - bend[..., i, j] for j in (0, 1)] for i in (0, 1)]
    determinant = curve[0][0] * curve[1][1] - curve[0][1] * curve[1][0]
    definite = (curve[0][0] > 0) & (determinant > 0)
    for i, j in ((0, 1), (1, 0)):
        solved = (curve[j][j] * slope[..., i] - curve[i][j] * slope[..., j]) / np.where(
            definite, determinant, 1.0
        )
        x[..., 2 + i] = np.where(definite, solved, 2 * slope[..., i] / left[i])
    x[..., INVESTMENT] = np.clip(x[..., INVESTMENT], 0.0, np.minimum(case.investment_cap, 1e6))
    return np.swapaxes(x, 0, 1)


def fine_starts(case: Case, benefit: Array) -> list[Array]:
    """Starting points (L, m, 4) over the fine grid of sharing, a set for each part of the saving
    that investment may be optimal for."""
    return [starting_levels(case, benefit, FINE_GRID, saved) for saved in form_of(case).saved]


def all_around(payoff: Payoff, lanes: int) -> tuple[NDArray[np.intp], Array]:
    """From where a thorough search climbs: lanes (n,) and levels (n, 4), the fine grid and
    multiples of its investments."""
    starts = np.concatenate(fine_starts(payoff.case, payoff.benefit), axis=1)
    starts = np.concatenate([starts * factors for factors in AROUND], axis=1)
    starts = np.broadcast_to(starts, (lanes, *starts.shape[1:]))
    return np.repeat(np.arange(lanes), starts.shape[1]), starts.reshape(-1, 4)


def invested(case: Case) -> Array:
    """Investments (L, m) of all sizes in the L markets of a flat case, natural units, caps aside:
    up to LARGEST, and to a hundred times those at which unit costs that are convex take back what
    investment earns."""
    far, F = np.full(case.batch, LARGEST), case.unit_cost
    if F is not None:
        taken = np.diagonal(slope_matrix(case), axis1=-2, axis2=-1) * F.base * F.curvature
        with np.errstate(divide="ignore", over="ignore"):
            turn = np.where(taken > 0, 200 / taken, LARGEST).max(-1)
        far = np.clip(turn, LARGEST, ALL_OVER)
    decades = int(np.ceil(np.log10(far.max() / LARGE) - 1e-9))
    large = np.geomspace(LARGE, far, decades + 1, axis=-1)
    return np.concatenate([np.broadcast_to(SIZES, (*far.shape, len(SIZES))), large], -1)


def all_sizes(case: Case) -> Array:
    """A grid (8, 8, m, n, 4) of levels of all sizes of one flat case, natural units."""
    size = [
        np.unique(np.minimum(invested(case), of_firm(case.investment_cap, i).item()))
        for i in (0, 1)
    ]
    # each of the four contiguous
    return np.moveaxis(np.array(np.meshgrid(ALL_SHARES, ALL_SHARES, *size, indexing="ij")), 0, -1)


def peaks_on(x: Array, here: Array) -> Array:
    """Levels (n, 4) of a grid (..., 4) in four variables at which a value (...) is highest among
    those beside them; the highest first, none where it is minus infinity."""
    most = here.copy()
    for axis in range(here.ndim):
        rows, top = np.moveaxis(here, axis, 0), np.moveaxis(most, axis, 0)
        np.maximum(top[1:], rows[:-1], out=top[1:])
        np.maximum(top[:-1], rows[1:], out=top[:-1])
    peak = np.isfinite(here) & (here >= most)
    return np.asarray(x[peak][np.argsort(-here[peak], kind="stable")])


def of_all_sizes(case: Case, value: Callable[[Array], Array]) -> Array:
    """Levels (n, 4) of one flat case, natural units, at which a value of levels (n, 4) is highest
    among those beside them on a grid of all sizes; the highest first."""
    x = all_sizes(case)
    return peaks_on(x, value(x.reshape(-1, 4)).reshape(x.shape[:-1]))


def more_afar(payoff: Payoff, regime: Regime, best: Array) -> NDArray[np.bool_]:
    """Whether (L,) somewhere among levels of all sizes that describe a market a sole chooser's
    payoff is above `best` (L,); asked only where unit costs rise with investment, what a firm
    receives replaces investment of its own, or caps alone bound what is chosen.

    Payoff then is no parabola in investments, and may be highest far from where it would be if it
    went on as it begins. Sharing is tried at its ends alone: of 920 random outcomes with more afar
    sharing of .3 too showed none that these do not.
    """
    found = np.zeros(len(best), bool)
    replaces = not form_of(payoff.case).falling_share
    asked = unit_cost_rises(payoff.case) | replaces | _only_caps_bound(payoff, len(best))
    lanes = np.flatnonzero(np.broadcast_to(asked, len(best)))
    for k in range(0, len(lanes), AFAR_BLOCK):
        some = lanes[k : k + AFAR_BLOCK]
        here = payoff.take(some)
        size = invested(here.case)
        sizes = np.broadcast_to(size, (len(some), size.shape[-1]))
        ends = np.array(np.meshgrid([0, 1], [0, 1], *2 * [range(sizes.shape[-1])], indexing="ij"))
        shared, which = np.split(ends.reshape(4, -1).T[:, None], 2, axis=-1)
        # each of the four contiguous
        x = np.moveaxis(np.empty((4, len(which), len(some))), 0, -1)
        x[..., SHARING] = shared
        x[..., INVESTMENT] = np.minimum(
            sizes[np.arange(len(some))[:, None], which], here.case.investment_cap
        )
        real = every_firm_sells(here.case, x, regime.of(some).prices)
        found[some] = (real & (here.value(x) > best[some])).any(0)
    return found


def _only_caps_bound(payoff: Payoff, lanes: int) -> NDArray[np.bool_]:
    """Whether payoff (L,) would grow without limit in investments were they not capped."""
    out = np.zeros(lanes, bool)
    capped = np.isfinite(payoff.case.investment_cap).any(-1)
    if len(some := np.flatnonzero(np.broadcast_to(capped, lanes))):
        there = payoff.take(some)
        free = replace(there.case, investment_cap=np.full((1, 1), np.inf))
        out[some] = free.cost_scale[:, 0] <= required_scale(free, there.benefit)
    return out


def of_one_firm(case: Case, firm: int, sharing_range: tuple[float, float]) -> Array:
    """Levels (n, 4) of one flat case, natural units, at which a firm shares and invests on a grid
    of all sizes and its rival does neither."""
    shares = np.unique(np.clip(ALL_SHARES, *sharing_range))
    sizes = np.unique(np.minimum(invested(case), of_firm(case.investment_cap, firm).item()))
    own = np.stack(np.meshgrid(shares, sizes, indexing="ij"), -1).reshape(-1, 2)
    x = np.zeros((len(own), 4))
    x[:, 1 - firm] = sharing_range[0]
    x[:, [firm, 2 + firm]] = own
    return x


def promising(payoff: Payoff, lanes: int) -> tuple[NDArray[np.intp], Array]:
    """From where to climb: lanes (n,), in order, and levels (n, 4).

    Of grids of sharing with near-optimal investments: their local peaks, their four corners, the
    best point inside and the best at which the firms differ. Over 20,000 random markets this met
    every optimum but a few in 10,000 that climbing from all points of a grid did.
    """
    size = len(FINE_GRID)
    found = []
    for points in fine_starts(payoff.case, payoff.benefit):
        starts = np.broadcast_to(points, (lanes, size**2, 4))
        value = np.broadcast_to(
            payoff.value(np.swapaxes(starts, 0, 1)), (size**2, lanes)
        ).T.reshape(lanes, size, size)
        lane, which = np.nonzero(_picked(np.where(np.isfinite(value), value, -np.inf)))
        found.append((lane, starts[lane, which]))
    lane, start = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(lane, kind="stable")
    return lane[order], start[order]


def _picked(value: Array) -> NDArray[np.bool_]:
    """Which points of grids of sharing, with values (L, size, size), are worth a climb: (L, size *
    size)."""
    lanes, size, _ = value.shape
    picked = value >= most_around(value)
    picked[:, :: size - 1, :: size - 1] = True
    inner = value[:, 1:-1, 1:-1].reshape(lanes, -1).argmax(1)
    picked[np.arange(lanes), 1 + inner // (size - 2), 1 + inner % (size - 2)] = True
    # A climb from equal levels of equal firms stays on the diagonal, be it a saddle: the best point
    # off it leaves.
    unequal = ~np.eye(size, dtype=bool)
    unequal[0, -1] = unequal[-1, 0] = False
    aside = np.where(unequal, value, -np.inf).reshape(lanes, -1).argmax(1)
    picked[np.arange(lanes), aside // size, aside % size] = True
    return np.asarray(picked.reshape(lanes, -1))
