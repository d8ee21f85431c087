"""Equilibria of games over boxes: best replies from many starts, Newton to finish, regret by global
deviation.

A game is its players' payoffs over the joint levels and which of the variables each controls. An
equilibrium is a point where no player gains by a *global* change of its own variables; first-order
conditions alone only nominate candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from market.solve.lanes import pick, together
from market.solve.linear import free_system, implicit_slope, solve_general
from market.solve.optimum import (
    Array,
    Objective,
    at_rest,
    free_curvature,
    maximise,
    on_bound,
    projected_gradient,
)
from market.solve.tolerances import DEFAULT, Tolerances

Reply = Callable[[int, Array], tuple[Array, Array]]
"""From a player and points (L, n) to the points with the player's own variables at its global best
reply, and its payoffs (L,) there; a payoff is infinite where no best reply exists because the
payoff is unbounded."""


REPLY_ROUNDS = 40
"""Rounds in which players answer in turn, before Newton finishes."""
RUNAWAY = 1e6
"""Multiple of the largest starting level beyond which best replies count as growing without
limit."""


LAST_DIGITS = 1e-14
"""Share of a payoff that rounding may add to it or take from it: it is a difference of squares of
sums, some forty roundings deep."""

BESIDE = 1e-8
"""Step to a best reply, per variable and scaled by max(1, |x|), so short that what it gains is told
by slopes and curvature: of two vast payoffs the difference is nothing but their last digits."""


class Players(Protocol):
    """Payoffs of several players over the same points."""

    def __len__(self) -> int: ...

    def __getitem__(self, player: int) -> Objective: ...

    def __iter__(self) -> Iterator[Objective]: ...

    def take(self, lanes: Any) -> Self:
        """The payoffs at these indices."""
        ...

    def derivatives(self, x: Array) -> tuple[Any, Any, Any]:
        """Payoffs (L,), gradients (L, n) and Hessians (L, n, n) of every player."""
        ...


class Apart(tuple[Objective, ...]):
    """Players whose payoffs are worked out one after the other."""

    def take(self, lanes: Any) -> Apart:
        """The payoffs at these indices."""
        return Apart(player.take(lanes) for player in self)

    def derivatives(self, x: Array) -> tuple[Any, Any, Any]:
        """Those of every player."""
        value, gradient, hessian = zip(*(player.derivatives(x) for player in self), strict=True)
        return value, gradient, hessian


@dataclass(frozen=True)
class Alike:
    """Players who all count the same payoff."""

    payoff: Objective
    players: int

    def __len__(self) -> int:
        return self.players

    def __getitem__(self, player: int) -> Objective:
        return self.payoff

    def __iter__(self) -> Iterator[Objective]:
        return iter([self.payoff] * self.players)

    def take(self, lanes: Any) -> Alike:
        """The payoff at these indices."""
        return Alike(self.payoff.take(lanes), self.players)

    def derivatives(self, x: Array) -> tuple[Any, Any, Any]:
        """Those of every player."""
        value, gradient, hessian = ((each,) * self.players for each in self.payoff.derivatives(x))
        return value, gradient, hessian


@dataclass(frozen=True, kw_only=True)
class Game:
    """A game in n variables, or L independent games of the same form."""

    players: Players
    """Each player's payoff over all n variables."""
    controls: tuple[tuple[int, ...], ...]
    """The variables of each player; variables of nobody keep their value."""
    lower: Array
    """(n,) or (L, n)."""
    upper: Array
    reply: Reply
    """Global best replies: a closed form, or one from `searched_reply`."""
    nominate: Reply | None = None
    """Replies that are cheaper and need not be global, for rounds that only nominate equilibria;
    None: the global ones."""

    @property
    def owned(self) -> list[int]:
        """All variables that some player controls."""
        return sorted(v for own in self.controls for v in own)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Points that satisfy every player's first-order conditions as well as `residual` says, and
    what deviations gain there."""

    x: Array
    """(L, n)."""
    payoff: Array
    """(L, players)."""
    residual: Array
    """Largest projected own gradient over max(1, |payoff|), (L,)."""
    at_rest: NDArray[np.bool_]
    """Whether that is a solution's, (L,)."""
    gain: Array
    """Each player's payoff at its global best reply less its payoff here, (L, players); not
    negative but for rounding."""
    curvature: Array
    """Largest eigenvalue of any player's Hessian in its own free variables, (L,); NaN where none is
    free."""

    @property
    def unscaled_residual(self) -> Array:
        """The largest projected own gradient as it is, (L,): beside a payoff that diverges every
        residual looks small."""
        return np.asarray(self.residual * np.maximum(1.0, np.abs(self.payoff).max(-1)))

    @property
    def unscaled_regret(self) -> Array:
        """The largest gain as it is, (L,)."""
        return np.maximum(self.gain.max(-1), 0.0)

    def nobody_gains(self, tolerance: float) -> NDArray[np.bool_]:
        """Whether no gain exceeds this, or what a payoff's own digits can show, (L,)."""
        return nobody_gains(self.payoff, self.gain, tolerance)

    def equilibria(self, tolerances: Tolerances = DEFAULT) -> NDArray[np.bool_]:
        """Whether residual and regret are in tolerance, (L,)."""
        return np.asarray(
            (self.residual <= tolerances.residual) & (self.regret <= tolerances.regret)
        )

    def take(self, rows: Any) -> Candidates:
        """These rows alone."""
        return Candidates(**{name: value[rows] for name, value in vars(self).items()})

    @property
    def regret(self) -> Array:
        """The largest gain over max(1, |payoff|), (L,)."""
        largest: Array = (self.gain / np.maximum(1.0, np.abs(self.payoff))).max(-1)
        return np.maximum(largest, 0.0)


def nobody_gains(payoff: Array, gain: Array, tolerance: float) -> NDArray[np.bool_]:
    """Whether none of the gains (L, players) exceeds this, or what digits of payoffs (L, players)
    can show, (L,)."""
    known = np.maximum(tolerance, LAST_DIGITS * np.abs(payoff).max(-1))
    return np.asarray(gain.max(-1) <= known)


class System(NamedTuple):
    """The first-order conditions at points (L, n)."""

    payoff: Array
    """(L, players)."""
    gradient: Array
    """(L, n): the players' own, stacked."""
    jacobian: Array
    """(L, n, n): of that stack."""


def own_system(game: Game, x: Array) -> System:
    """The first-order conditions at points (L, n)."""
    payoff, gradients, jacobians = game.players.derivatives(x)
    gradient, jacobian = np.zeros_like(x), together(np.zeros((*x.shape, x.shape[-1])))
    for player, own in enumerate(game.controls):
        for rows in own if len(own) < x.shape[-1] else [slice(None)]:
            gradient[:, rows] = gradients[player][:, rows]
            jacobian[:, rows] = jacobians[player][:, rows]
    return System(np.asarray(payoff).T, gradient, jacobian)


def best_reply_rounds(
    game: Game, x: Array, rounds: int, settled: float = 1e-12, first: int = 0
) -> Array:
    """The points after this many rounds in which the players answer in turn, from the `first` on,
    or once no variable moves by more than the share `settled` of max(1, its size). Rows without a
    bounded reply become NaN."""
    x, reply = x.copy(), game.nominate or game.reply
    limit = RUNAWAY * max(1.0, float(np.abs(x).max(initial=0.0)))
    lost = ~np.isfinite(x).all(-1)
    for _ in range(rounds):
        before = x
        for turn in range(len(game.players)):
            player = (first + turn) % len(game.players)
            x, payoff = reply(player, np.where(np.expand_dims(lost, -1), 0.0, x))
            own = np.abs(x[..., list(game.controls[player])])
            lost = lost | ~np.isfinite(payoff) | ~(own.max(-1) < limit)
            x[lost] = np.nan
        moved = np.abs(x - before)
        if not np.any(moved > settled * np.maximum(1.0, np.abs(x))):
            break
    return x


def newton(
    game: Game, start: Array, tolerances: Tolerances = DEFAULT, steps: int = 60
) -> tuple[Array, System]:
    """Newton's method on the stacked first-order conditions, bounds respected: where it leads, NaN
    in rows in which it does not converge in so many steps, and the conditions there or, in those
    rows, where they were nearest to being met."""
    x = together(np.clip(start, game.lower, game.upper))
    lower, upper = (
        together(np.broadcast_to(game.lower, x.shape)),
        together(np.broadcast_to(game.upper, x.shape)),
    )
    nobody = np.ones(x.shape[-1], bool)
    nobody[game.owned] = False
    best, best_residual, known = x.copy(), np.full(len(x), np.inf), None
    active = np.arange(len(x))
    for _ in range(steps):
        # where levels have no bounds a step may run so far that nothing is a number: not found
        with np.errstate(over="ignore", invalid="ignore"):
            system = own_system(game, x)
            payoff, gradient, jacobian = system
            residual = _residual(x, payoff, gradient, lower, upper)
        known = known or System(*map(np.copy, system))
        better = residual < best_residual[active]
        improved = active[better]
        for kept, new in zip((best, best_residual, *known), (x, residual, *system), strict=True):
            kept[improved] = new[better]
        # beside a large payoff the scaled residual stops short of what rounding allows
        left = residual * np.maximum(1.0, np.abs(payoff).max(-1))
        on = np.flatnonzero(
            (left > tolerances.target) & (better | (best_residual[active] > tolerances.residual))
        )
        if not len(on):
            break
        if len(on) < len(active):
            game, active = (
                replace(game, players=game.players.take(on)),
                active[on],
            )
            x, lower, upper, gradient, jacobian = (
                pick(a, on) for a in (x, lower, upper, gradient, jacobian)
            )
        to_lower = (x <= lower) & (gradient < 0)
        to_upper = (x >= upper) & (gradient > 0)
        step = solve_general(*free_system(-jacobian, gradient, to_lower | to_upper | nobody))
        x = np.clip(x + np.where(np.isfinite(step), step, 0.0), lower, upper)
    best[~(best_residual <= tolerances.residual)] = np.nan
    assert known is not None
    return best, known


def _residual(x: Array, payoff: Array, gradient: Array, lower: Array, upper: Array) -> Array:
    scale = np.maximum(1.0, np.abs(payoff).max(-1))
    residual: Array = np.abs(projected_gradient(x, gradient, lower, upper)).max(-1) / scale
    return residual


def examine(
    game: Game, x: Array, tolerances: Tolerances = DEFAULT, system: System | None = None
) -> Candidates:
    """What the points (L, n) are worth as equilibria: residual, curvature and the gain from global
    deviations; `system`: the first-order conditions there, where they are known."""
    lower, upper = np.broadcast_to(game.lower, x.shape), np.broadcast_to(game.upper, x.shape)
    payoff, gradient, jacobian = system or own_system(game, x)
    held = on_bound(x, lower, tolerances) | on_bound(x, upper, tolerances)
    curvature = np.full(len(x), np.nan)
    gain = np.empty_like(payoff)
    for player, own in enumerate(game.controls):
        rows = list(own)
        curvature = np.fmax(curvature, free_curvature(jacobian[:, rows][:, :, rows], held[:, rows]))
        answer, most = game.reply(player, x)
        step = (answer - x)[:, rows]
        near = np.asarray((np.abs(step) <= BESIDE * np.maximum(1.0, np.abs(x[:, rows]))).all(-1))
        slight = np.where(near[:, None], step, 0.0)
        gain[:, player] = np.where(
            near,
            _rise(slight, gradient[:, rows], jacobian[:, rows][:, :, rows]),
            most - payoff[:, player],
        )
    residual = _residual(x, payoff, gradient, lower, upper)
    size = np.maximum(1.0, np.abs(payoff).max(-1))
    return Candidates(
        x=x,
        payoff=payoff,
        residual=residual,
        at_rest=at_rest(x, jacobian, held, residual, size, tolerances),
        gain=gain,
        curvature=curvature,
    )


def _rise(step: Array, gradient: Array, hessian: Array) -> Array:
    """By how much a payoff rises (L,) along short steps (L, n), to second order."""
    return np.asarray((step * (gradient + (hessian @ step[..., None])[..., 0] / 2)).sum(-1))


def reply_eigenvalues(game: Game, x: Array, tolerances: Tolerances = DEFAULT) -> Array:
    """Moduli (L, n), largest first, of the eigenvalues of the best-reply map's derivative at
    equilibria (L, n).

    Where all are below one, best replies return to the equilibrium after a small disturbance. A
    variable at a bound does not answer.
    """
    lower, upper = np.broadcast_to(game.lower, x.shape), np.broadcast_to(game.upper, x.shape)
    jacobian = own_system(game, x)[2]
    held = on_bound(x, lower, tolerances) | on_bound(x, upper, tolerances)
    slopes = np.zeros_like(jacobian)
    for own in map(list, game.controls):
        others = [v for v in range(x.shape[-1]) if v not in own]
        block = implicit_slope(
            jacobian[:, own][:, :, own], jacobian[:, own][:, :, others], held[:, own]
        )
        for row, variable in enumerate(own):
            slopes[:, variable, others] = block[:, row]
    return np.asarray(-np.sort(-np.abs(np.linalg.eigvals(slopes)), axis=-1))


def find_equilibria(
    game: Game,
    starts: Array,
    tolerances: Tolerances = DEFAULT,
    rounds: int = REPLY_ROUNDS,
    settled: float = 1e-12,
) -> Candidates:
    """All equilibria reached from the starts (m, n) of one game, distinct, in lexicographic order
    of the levels.

    Every start is tried twice: players answer in turn, until nothing moves by more than the share
    `settled`, and Newton finishes, which finds what best replies settle on; and Newton alone, which
    also finds equilibria that best replies run away from. What is kept has residual and regret in
    tolerance.
    """
    answered = finite(best_reply_rounds(game, starts, rounds, settled), starts)
    reached = distinct(newton(game, np.concatenate([answered, starts]), tolerances)[0], tolerances)
    found = examine(game, reached, tolerances)
    return found.take(found.equilibria(tolerances))


def distinct(x: Array, tolerances: Tolerances = DEFAULT) -> Array:
    """The finite rows of points (m, n) that are pairwise distinct, in lexicographic order."""
    x = x[np.isfinite(x).all(-1)]
    kept: list[Array] = []
    for one in x[np.lexsort(np.round(x, 6).T[::-1])]:
        near = tolerances.distinct * np.maximum(1.0, np.abs(one))
        if all((np.abs(one - other) > near).any() for other in kept):
            kept.append(one)
    return np.array(kept).reshape(-1, x.shape[-1])


def finite(x: Array, otherwise: Array) -> Array:
    """Points (m, n), the others' where a row is not finite."""
    return np.where(np.isfinite(x).all(-1, keepdims=True), x, otherwise)


def searched_reply(
    players: Players,
    controls: tuple[tuple[int, ...], ...],
    lower: Array,
    upper: Array,
    own_starts: tuple[Array, ...],
) -> Reply:
    """Best replies by climbing from the current point and from own starting points of each player.

    For games without a closed form: one, with starts (m, own variables), bounds (n,) and objectives
    that serve any number of points; or L of the same form, with starts (L, m, own variables) and
    bounds (L, n).
    """

    def reply(player: int, x: Array) -> tuple[Array, Array]:
        own = list(controls[player])
        tries = own_starts[player].shape[-2] + 1
        start = np.repeat(x[:, None], tries, axis=1)
        start[:, 1:, own] = own_starts[player]
        low, high = start.copy(), start.copy()  # the others' variables are held by equal bounds
        low[..., own], high[..., own] = lower[..., None, own], upper[..., None, own]
        n = x.shape[-1]
        lanes = np.repeat(np.arange(len(x)), tries)
        ascent = maximise(
            players[player].take(lanes),
            start.reshape(-1, n),
            low.reshape(-1, n),
            high.reshape(-1, n),
        )
        value = ascent.value.reshape(-1, tries)
        best = np.argmax(value, axis=1)
        rows = np.arange(len(x))
        return ascent.x.reshape(-1, tries, n)[rows, best], value[rows, best]

    return reply
