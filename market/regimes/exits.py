"""Equilibria of firms that choose at once in which one of them is out of the market."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from market.model.case import SHARING, Array, Case
from market.model.leaving import sales, true_profits, welfare_with_exit
from market.model.outcome import Solution
from market.model.pricing import net_intercept, revenue_matrices
from market.regimes.objectives import game_in_lanes
from market.regimes.starts import of_one_firm, starting_levels
from market.regimes.table import Regime
from market.solve.equilibrium import LAST_DIGITS, Game, best_reply_rounds
from market.solve.tolerances import Tolerances

ROUNDS = 60
"""Rounds of best replies with a firm out, more than elsewhere since nothing finishes them."""


def driven_out(case: Case, regime: Regime, tolerances: Tolerances) -> Array:
    """The equilibria (n, 4) of one market, natural units, at which a firm is out: those on which
    best replies settle, whoever answers first, and those beside a firm that is idle; that of the
    highest joint profit first."""
    usual = starting_levels(case, revenue_matrices(case, regime.prices).sum(-3))[0][[0, 8]]
    starts = np.concatenate([np.zeros((1, 4)), usual])
    starts[:, SHARING] = np.clip(starts[:, SHARING], *regime.sharing_range)
    answered = []
    for first in (0, 1):
        x = starts
        for firm in (first, 1 - first):
            if len(x):
                x = _game_without_favour(case, regime, len(x)).reply(firm, x)[0]
                x = x[np.isfinite(x).all(-1)]
        answered.append(x)
    settled = _settled(case, regime, np.concatenate(answered), tolerances)
    x = np.concatenate([*settled, *_beside_an_idle_firm(case, regime, tolerances)])
    joint = true_profits(case.take(np.zeros(len(x), np.intp)), x).sum(-1)
    found: list[Array] = []
    for y in x[np.argsort(-joint, kind="stable")]:
        close = tolerances.distinct * np.maximum(1.0, np.abs(y))
        if not any((np.abs(y - other) <= close).all() for other in found):
            found.append(y)
    return np.array(found).reshape(-1, 4)


def _settled(case: Case, regime: Regime, x: Array, tolerances: Tolerances) -> Iterator[Array]:
    """What best replies from levels (n, 4) settle on with a firm out, neither gaining."""
    if len(x):
        x = best_reply_rounds(_game_without_favour(case, regime, len(x)), x, ROUNDS)
        x = x[np.isfinite(x).all(-1)]
    if len(x):
        rows = case.take(np.zeros(len(x), np.intp))
        game, earned = _game_without_favour(case, regime, len(x)), true_profits(rows, x)
        gains = np.stack([game.reply(firm, x)[1] - earned[:, firm] for firm in (0, 1)], -1)
        visible = np.maximum(tolerances.regret, LAST_DIGITS * np.abs(earned).max(-1))
        out = sales(rows, net_intercept(rows, x)).out.any(-1)
        yield x[(gains.max(-1) <= visible) & out]


def _game_without_favour(case: Case, regime: Regime, lanes: int) -> Game:
    """The game of one flat case in so many lanes, replies that drive the rival out among those
    that nominate equilibria."""
    return replace(game_in_lanes(case, regime, lanes), nominate=None)


def _beside_an_idle_firm(case: Case, regime: Regime, tolerances: Tolerances) -> Iterator[Array]:
    """Levels (1, 4) of one flat market at which a firm that invests nothing is out and neither
    gains by own levels.

    What a firm that is out shares costs it nothing, yet it may be what makes it pay its rival to
    keep it out: the least of a grid at which that holds.
    """
    for out in (0, 1):
        x = of_one_firm(case, out, regime.sharing_range)
        x = x[x[:, 2 + out] == 0]
        game = game_in_lanes(case, regime, len(x))
        x, most = game.reply(1 - out, x)
        x = np.where(np.isfinite(x).all(-1, keepdims=True), x, 0.0)
        earned = true_profits(case, x)
        visible = np.maximum(tolerances.regret, LAST_DIGITS * np.abs(earned).max(-1))
        stays = (most - earned[:, 1 - out] <= visible) & (game.reply(out, x)[1] <= visible)
        found = np.flatnonzero(stays & sales(case, net_intercept(case, x)).out[:, out])
        yield x[found[:1]]


def listed(case: Case, x: Array) -> tuple[Solution, ...]:
    """Levels (n, 4) of one flat case at which a firm is out, as a certificate lists them: what is
    earned and welfare are those of the market that is left."""
    rows = case.take(np.zeros(len(x), np.intp))
    books = zip(x, true_profits(rows, x), welfare_with_exit(rows, x), strict=True)
    return tuple(Solution(levels=y, profit=pi, welfare=float(w)) for y, pi, w in books)
