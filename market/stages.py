"""Games in which levels are chosen one after the other: a leader commits, or investment comes before sharing.

`sequential` (section 3): one firm commits its sharing and investment, the other answers with its global best reply, prices follow.
The reply is exact but may have kinks and jumps, so the leader's payoff is searched on a grid, then by shrinking steps, and only then
polished with its total derivative (15), (16), the reaction of its own cost included.

`investment_first` (footnote 27): both invest, then both share, then prices follow. Own sharing does not enter own cost and own price is
concave and quadratic in it, so best sharing is linear in the rival's up to its bounds, with a slope below one: for every pair of
investments there is one sharing equilibrium, in closed form. What is left is a game in two investments.

Both work on many markets at once, one lane each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from market.case import INVESTMENT, SHARING, Array, Case, rival
from market.cost import investment_cost, unit_cost
from market.demand import apply as apply_matrix
from market.payoff import Payoff
from market.pricing import bertrand_matrix, net_intercept, revenue_matrices
from market.reply import best_reply
from market.solve.optimum import on_bound, projected_gradient
from market.solve.tolerances import DEFAULT, Tolerances

Value = Callable[[Array], Array]
"""Payoffs (L, m) at points (L, m, n), m per lane."""

DOUBLINGS = 12
"""How often the range of investments searched is doubled before a payoff counts as growing without limit."""

PEAKS = 3
"""Local maxima of the grid that are followed."""

ROUNDS = 14
"""Rounds of shrinking steps around each of them."""

SHRINK = 0.6
"""Factor between the steps of two rounds."""

STEP = 1e-5
"""Relative step of difference quotients of total derivatives."""


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Solutions of a staged game in L markets."""

    levels: Array
    """(L, 4); NaN where none was found."""
    residual: Array
    """Largest projected total derivative over max(1, |payoff|), (L,); at a kink the largest one-sided one."""
    regret: Array
    """Largest gain from a deviation over a grid of own levels, over max(1, |payoff|), (L,)."""
    curvature: Array
    """Largest second derivative of a chooser's payoff in its own free levels, later stages answering, (L,); NaN where none is free."""
    switching: NDArray[np.bool_]
    """(L,): whether a later reply switches there, so that some payoff has a kink."""
    runaway: NDArray[np.bool_]
    """(L,): whether the first movers' payoff was still growing at the end of the range searched."""


def profits(case: Case, x: Array) -> Array:
    """Both firms' profits (..., 2) at levels x at Bertrand prices; a firm with a negative margin sells nothing."""
    margin = np.maximum(apply_matrix(bertrand_matrix(case), net_intercept(case, x)), 0.0)
    return np.asarray(case.own_slope * margin**2 - investment_cost(case, x))


def _payoffs(case: Case) -> tuple[Payoff, Payoff]:
    Q = revenue_matrices(case, bertrand_matrix)
    first, second = (Payoff(case=case, benefit=Q[..., i, :, :], cost_weight=np.eye(2)[None, i]) for i in (0, 1))
    return first, second


def _caps(case: Case, lanes: int) -> Array:
    return np.broadcast_to(case.investment_cap, (lanes, 2))


def _alone(case: Case, lanes: int) -> Array:
    """Each firm's best investment (L, 2) while the rival neither shares nor invests: the size to expect. NaN where it has no limit."""
    silent = np.zeros((lanes, 4))
    return np.column_stack([best_reply(case, silent, firm)[0][:, 2 + firm] for firm in (0, 1)])


# --- a leader and a follower


def follow(case: Case, leader: int, own: Array) -> Array:
    """Levels (L, 4) when the leader commits own levels (L, 2) and the other firm answers; NaN where it has no bounded answer."""
    x = np.zeros((len(own), 4))
    x[:, leader], x[:, 2 + leader] = own[:, 0], own[:, 1]
    return best_reply(case, x, 1 - leader)[0]


def lead(case: Case, lanes: int, leader: int, tolerances: Tolerances = DEFAULT) -> Staged:
    """The leader's best commitments in the L markets of a flat case."""
    cap = _caps(case, lanes)[:, leader]
    scale = np.nan_to_num(_alone(case, lanes).max(1), nan=1.0)

    def value(own: Array) -> Array:
        tries = own.shape[1]
        at = case.take(np.repeat(np.arange(lanes), tries))
        x = follow(at, leader, own.reshape(-1, 2))
        earned = profits(at, np.nan_to_num(x))[:, leader]
        return np.where(np.isfinite(x).all(-1), earned, -np.inf).reshape(lanes, tries)

    lower, upper = np.zeros((lanes, 2)), np.column_stack([np.ones(lanes), cap])
    top, runaway = _range(value, 2, np.minimum(4 * np.maximum(scale, 1e-6), cap), cap)
    own = _search(value, lower, upper, np.column_stack([np.ones(lanes), top]), (9, 25))

    def slope(own: Array) -> tuple[Array, Array]:
        x = follow(case, leader, own)
        return _leader_slope(case, leader, np.nan_to_num(x), tolerances), value(own[:, None])[:, 0]

    own, residual, jacobian, held = _polish(slope, own, lower, upper, tolerances)
    x = follow(case, leader, own)
    best = value(own[:, None])[:, 0]
    known = np.isfinite(best)
    size = np.maximum(1.0, np.abs(np.where(known, best, 1.0)))
    switching = ~(residual <= tolerances.residual)
    residual = np.where(switching, _one_sided(value, own, lower, upper, top) / size, residual)
    fine = value(_grid((13, 60), np.column_stack([np.ones(lanes), np.minimum(2 * top, cap)])))
    own_curvature = _largest_eigenvalue(jacobian, held)
    return Staged(
        levels=np.where(runaway[:, None], np.nan, x),
        residual=residual,
        regret=np.maximum(fine.max(1) - np.where(known, best, -np.inf), 0.0) / size,
        curvature=np.where(switching, np.nan, own_curvature),
        switching=switching,
        runaway=runaway,
    )


def _leader_slope(case: Case, leader: int, x: Array, tolerances: Tolerances) -> Array:
    """The leader's total derivatives (15), (16) in its own sharing and investment, (L, 2)."""
    own, others = [leader, 2 + leader], [1 - leader, 3 - leader]
    players = _payoffs(case)
    gradient = players[leader].derivatives(x)[1]
    hessian = players[1 - leader].derivatives(x)[2]
    upper = np.column_stack([np.ones(len(x)), _caps(case, len(x))[:, 1 - leader]])
    held = on_bound(x[:, others], np.zeros_like(upper), tolerances) | on_bound(x[:, others], upper, tolerances)
    reaction = _reaction(hessian[:, others][:, :, others], hessian[:, others][:, :, own], held)
    return np.asarray(gradient[:, own] + np.einsum("lfo,lf->lo", reaction, gradient[:, others]))


def _reaction(second: Array, cross: Array, held: NDArray[np.bool_]) -> Array:
    """-second^-1 cross (L, n, m) on the variables not held, zero on the others: the slope of a reply by the implicit function."""
    n = second.shape[-1]
    free = ~held
    matrix = np.where(free[:, :, None] & free[:, None, :], second, 0.0)
    matrix[:, np.arange(n), np.arange(n)] += held
    return -np.linalg.solve(matrix, np.where(free[:, :, None], cross, 0.0))


# --- investment first, sharing second


def sharing_equilibrium(case: Case, t: Array) -> tuple[Array, Array]:
    """The sharing (L, 2) that follows investments t (L, 2), and its derivative (L, 2, 2) in them.

    Firm i's best sharing given its rival's is clip((e_i s_j + g_i t_i) / (2 h_i), 0, 1), in the letters of `market.reply`.
    """
    b, b2 = case.own_slope + np.zeros(2), case.cross_slope
    b_j = rival(b)
    e, h = (2 * b_j + b2) * case.leakage_interaction, 2 * b_j * case.leakage_own - b2 * case.leakage_cross
    x = np.concatenate([np.zeros_like(t), t], -1)
    F = unit_cost(case, x)
    g = b2 * case.demand_spillover + np.zeros_like(t)
    g_t = np.zeros_like(t)  # of g_i in the rival's investment
    if F is not None:
        g = g - b_j * b2 * F.parameters.spillover * rival(F.rise)
        g_t = -b_j * b2 * F.parameters.spillover * rival(F.rise_t)
    slope, level = np.broadcast_to(e / (2 * h), t.shape), g * t / (2 * h)
    # Inside, or one firm at a bound and the other answering: whichever is consistent.
    inside = (level + slope * rival(level)) / (1 - slope * rival(slope))
    candidates = [np.clip(inside, 0.0, 1.0)]
    for firm, bound in product((0, 1), (0.0, 1.0)):
        s = np.full_like(t, bound)
        s[:, 1 - firm] = np.clip(level[:, 1 - firm] + slope[:, 1 - firm] * bound, 0.0, 1.0)
        candidates.append(s)
    tries = np.stack(candidates)
    wrong = np.abs(tries - np.clip(level + slope * rival(tries), 0.0, 1.0)).max(-1)
    s = tries[wrong.argmin(0), np.arange(len(t))]
    wish = level + slope * rival(s)
    free = (wish > 0) & (wish < 1)
    # ds = free (slope ds_j + d level): two linear equations.
    by = np.zeros((*t.shape, 2))
    by[:, [0, 1], [0, 1]] = g / (2 * h)
    by[:, [0, 1], [1, 0]] = g_t * t / (2 * h)
    by = np.where(free[..., None], by, 0.0)
    active = np.where(free, slope, 0.0)
    determinant = 1 - active[:, 0] * active[:, 1]
    return s, (by + active[..., None] * by[:, ::-1]) / determinant[:, None, None]


def invest_first(case: Case, lanes: int, tolerances: Tolerances = DEFAULT) -> Staged:
    """Equilibrium investments in the L markets of a flat case, sharing and prices following, that best replies in turn reach."""
    cap = _caps(case, lanes)

    def levels_at(t: Array) -> Array:
        return np.concatenate([sharing_equilibrium(case, t)[0], t], -1)

    def value_of(firm: int, t: Array) -> Value:
        def value(own: Array) -> Array:
            tries = own.shape[1]
            at = case.take(np.repeat(np.arange(lanes), tries))
            both = np.repeat(t, tries, axis=0)
            both[:, firm] = own.reshape(-1)
            s, _ = sharing_equilibrium(at, both)
            return profits(at, np.concatenate([s, both], -1))[:, firm].reshape(lanes, tries)

        return value

    t, runaway = np.nan_to_num(_alone(case, lanes), nan=1.0), np.zeros(lanes, bool)
    zero = np.zeros((lanes, 1))
    tops = np.empty_like(t)
    for _ in range(60):
        before = t.copy()
        for firm in (0, 1):
            value = value_of(firm, t)
            limit = cap[:, firm]
            top, away = _range(value, 1, np.minimum(3 * np.maximum(t[:, firm], 1e-6), limit), limit)
            t[:, firm] = _search(value, zero, limit[:, None], top[:, None], (25,), rounds=10)[:, 0]
            runaway |= away
            tops[:, firm] = top
        if np.abs(t - before).max() <= 1e-3 * max(1e-3, float(np.abs(t).max())) or runaway.all():
            break

    players = _payoffs(case)

    def slope(t: Array) -> tuple[Array, Array]:
        s, by = sharing_equilibrium(case, t)
        x = np.concatenate([s, t], -1)
        gradients = np.stack([player.derivatives(x)[1] for player in players], 1)  # (L, firm, 4)
        total = gradients[..., INVESTMENT] + np.einsum("lfs,lst->lft", gradients[..., SHARING], by)
        return total[:, [0, 1], [0, 1]], profits(case, x).max(1)

    t, residual, jacobian, held = _polish(slope, t, np.zeros_like(cap), cap, tolerances)
    x = levels_at(t)
    earned = profits(case, x)
    size = np.maximum(1.0, np.abs(earned))
    switching = ~(residual <= tolerances.residual)
    kinks, regret = np.zeros(lanes), np.zeros(lanes)
    for firm in (0, 1):
        value, limit = value_of(firm, t), cap[:, firm]
        kinks = np.maximum(kinks, _one_sided(value, t[:, firm : firm + 1], zero, limit[:, None], tops[:, firm]) / size[:, firm])
        fine = value(_grid((400,), np.minimum(2 * tops[:, firm], limit)[:, None]))
        regret = np.maximum(regret, (fine.max(1) - earned[:, firm]) / size[:, firm])
    own = np.where(held, np.nan, jacobian[:, [0, 1], [0, 1]])
    return Staged(
        levels=np.where(runaway[:, None], np.nan, x),
        residual=np.where(switching, kinks, residual),
        regret=np.maximum(regret, 0.0),
        curvature=np.where(switching, np.nan, np.fmax(own[:, 0], own[:, 1])),
        switching=switching,
        runaway=runaway,
    )


# --- searching payoffs with kinks and jumps


def _grid(shape: tuple[int, ...], top: Array) -> Array:
    """Points (L, m, n) on a regular grid from zero to `top` (L, n)."""
    unit = np.stack(np.meshgrid(*(np.linspace(0, 1, k) for k in shape), indexing="ij"), -1).reshape(-1, len(shape))
    return np.asarray(unit * top[:, None])


def _range(value: Value, n: int, top: Array, cap: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The range of investment (L,) beyond whose half the payoff falls, and whether there is none."""
    top = top.copy()
    for _ in range(DOUBLINGS):
        points = _grid((5,) * (n - 1) + (9,), np.column_stack([np.ones((len(top), n - 1)), top]))
        best = points[np.arange(len(top)), value(points).argmax(1), -1]
        short = (best > 0.6 * top) & (top < cap)
        if not short.any():
            return top, short
        top = np.where(short, np.minimum(2 * top, cap), top)
    return top, short


def _search(value: Value, lower: Array, upper: Array, top: Array, shape: tuple[int, ...], rounds: int = ROUNDS) -> Array:
    """The best points (L, n) found: a grid from zero to `top`, then steps of shrinking size around its highest local maxima."""
    lanes, n = top.shape
    points = _grid(shape, top)
    values = value(points).reshape(lanes, *shape)
    padded = np.pad(values, [(0, 0)] + [(1, 1)] * n, constant_values=-np.inf)
    neighbours = [padded[(slice(None), *(slice(1 + o, 1 + o + k) for o, k in zip(offset, shape, strict=True)))] for offset in _OFFSETS[n]]
    peak = np.where(values >= np.maximum.reduce(neighbours), values, -np.inf).reshape(lanes, -1)
    order = np.argsort(-peak, axis=1, kind="stable")[:, :PEAKS]
    rows = np.arange(lanes)[:, None]
    at, best = points[rows, order], values.reshape(lanes, -1)[rows, order]
    step = top / (np.array(shape) - 1)
    moves = np.array(_OFFSETS[n], float)
    for _ in range(rounds):
        step = step * SHRINK
        tries = np.clip(at[:, :, None] + moves * step[:, None, None], lower[:, None, None], upper[:, None, None])
        found = value(tries.reshape(lanes, -1, n)).reshape(lanes, at.shape[1], -1)
        which = found.argmax(-1)
        better = np.take_along_axis(found, which[..., None], -1)[..., 0]
        moved = np.take_along_axis(tries, which[..., None, None], 2)[:, :, 0]
        up = better > best
        at, best = np.where(up[..., None], moved, at), np.maximum(best, better)
    return np.asarray(at[np.arange(lanes), best.argmax(1)])


_OFFSETS = {n: [o for o in product((-1, 0, 1), repeat=n) if any(o)] for n in (1, 2)}


def _polish(
    slope: Callable[[Array], tuple[Array, Array]], x: Array, lower: Array, upper: Array, tolerances: Tolerances
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Newton on total derivatives (L, n): points, residuals, Jacobians by differences and what is held at a bound.

    `slope` gives the derivatives and the payoff to scale by. A step that does not lower the residual is not taken.
    """
    lanes, n = x.shape
    jacobian = np.zeros((lanes, n, n))
    gradient, value = slope(x)

    def residual_of(at: Array, g: Array, v: Array) -> Array:
        size = np.maximum(1.0, np.abs(v))
        return np.asarray(np.abs(projected_gradient(at, g, lower, upper)).max(-1) / size)

    residual = residual_of(x, gradient, value)
    held = np.zeros((lanes, n), bool)
    for _ in range(12):
        for k in range(n):
            h = STEP * np.maximum(1e-2, np.abs(x[:, k]))
            up, down = x.copy(), x.copy()
            up[:, k], down[:, k] = np.minimum(x[:, k] + h, upper[:, k]), np.maximum(x[:, k] - h, lower[:, k])
            jacobian[:, :, k] = (slope(up)[0] - slope(down)[0]) / (up[:, k] - down[:, k])[:, None]
        held = ((x <= lower) & (gradient < 0)) | ((x >= upper) & (gradient > 0))
        if (residual <= tolerances.target).all():
            break
        matrix = np.where(held[:, :, None] | held[:, None, :], 0.0, jacobian)
        matrix[:, np.arange(n), np.arange(n)] -= held
        singular = np.abs(np.linalg.det(matrix)) < 1e-30
        matrix[singular] = -np.eye(n)
        step = -np.linalg.solve(matrix, np.where(held, 0.0, gradient)[..., None])[..., 0]
        new = np.clip(x + step, lower, upper)
        new_gradient, new_value = slope(new)
        new_residual = residual_of(new, new_gradient, new_value)
        good = new_residual < residual
        if not good.any():
            break
        x, gradient = np.where(good[:, None], new, x), np.where(good[:, None], new_gradient, gradient)
        residual = np.where(good, new_residual, residual)
    return x, residual, jacobian, held


def _one_sided(value: Value, x: Array, lower: Array, upper: Array, top: Array) -> Array:
    """The largest slope (L,) of the payoff in any direction of the grid that stays in the box."""
    n = x.shape[1]
    h = 1e-6 * np.maximum(top, 1e-3)
    directions = np.array(_OFFSETS[n], float)
    points = np.clip(x[:, None] + h[:, None, None] * directions, lower[:, None], upper[:, None])
    moved = np.abs(points - x[:, None]).max(-1)
    there, here = value(points), value(x[:, None])
    counts = (moved > 0) & np.isfinite(there) & np.isfinite(here)
    rise = np.where(counts, there, 0.0) - np.where(counts, here, 0.0)
    return np.asarray((rise / np.where(counts, moved, 1.0)).max(1, initial=0.0))


def _largest_eigenvalue(matrix: Array, held: NDArray[np.bool_]) -> Array:
    """The largest eigenvalue (L,) of the symmetric part on the variables not held; NaN where all are."""
    symmetric = (matrix + np.swapaxes(matrix, -1, -2)) / 2
    low = -1 - 2 * matrix.shape[-1] * np.abs(symmetric).max((-1, -2))
    both = ~held[:, :, None] & ~held[:, None, :]
    out = np.where(both, symmetric, 0.0)
    n = matrix.shape[-1]
    out[:, np.arange(n), np.arange(n)] += np.where(held, low[:, None], 0.0)
    return np.where(held.all(-1), np.nan, np.linalg.eigvalsh(out)[:, -1])
