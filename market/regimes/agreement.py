"""Joint profit in agreed sharing: one function of two variables, investments and prices following.

For given sharing investment is a game in which every best reply is closed form, kinks and firms
driven out included; the slope of joint profit follows from the slope of its equilibrium.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, Array, Case, take_lanes
from market.model.cost import investment_cost
from market.model.outcome import account
from market.model.payoff import firm_payoffs
from market.model.pricing import bertrand_matrix
from market.model.reply import best_reply
from market.solve.equilibrium import Game, best_reply_rounds, newton, nobody_gains
from market.solve.linear import implicit_slope
from market.solve.optimum import on_bound
from market.solve.tolerances import Tolerances

Rows = NDArray[np.intp]

ROUNDS = 12
"""Rounds of best replies for investments that follow."""

STEP = 1e-6
"""Step of sharing by which the reduced slope is differenced."""

NEWTON = 8
"""Steps of Newton's method for investments that follow, tried at once; what they do not find best
replies are asked for."""

SAME = 1e-13
"""Share of the larger firm's takings by which a firm may earn less than by its best reply for its
investment to be one: what rounding leaves of payoffs, which are small differences of takings and
outlays."""

ARRIVED = 1e-6
"""Step of Newton's method, as a share of investment's size, that is left where it has arrived."""

RUNAWAY = 1e4
"""Multiple of what a firm would invest alone beyond which investments count as growing without
limit."""


def investment_game(case: Case, lanes: int) -> Game:
    """The firms' game in investments at given sharing, in the L lanes of a flat case: exact best
    replies, a rival possibly driven out."""
    players = firm_payoffs(case)
    lower, upper = np.zeros((lanes, 4)), np.ones((lanes, 4))
    upper[:, INVESTMENT] = case.investment_cap

    def exact(firm: int, x: Array) -> tuple[Array, Array]:
        return best_reply(case, x, firm, None)

    def beside(firm: int, x: Array) -> tuple[Array, Array]:
        return best_reply(case, x, firm, None, beside=True)

    return Game(
        players=players,
        controls=((2,), (3,)),
        lower=lower,
        upper=upper,
        reply=exact,
        nominate=beside,
    )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Joint profit (L,) in agreed sharing (L, 2), in L lanes; minus infinity where investments that
    follow are no equilibrium of a market in which every firm sells."""

    case: Case
    near: Array
    """(L, 2): investments from which those that follow are found; which of several equilibria is
    meant."""
    checked: bool
    """Whether it is asked everywhere that no firm gains by any other investment; else first-order
    conditions are enough, which bounds the function from above."""
    tolerances: Tolerances

    def take(self, lanes: Any) -> Agreement:
        """The agreements in these lanes only."""
        return replace(self, case=self.case.take(lanes), near=take_lanes(self.near, lanes))

    def follow(self, s: Array) -> Array:
        """Levels (L, 4) at agreed sharing (L, 2); NaN where none were found. Where best replies do
        not return to the equilibrium that is meant, or it has ended, what they settle on; only
        where they settle on nothing one about which they cycle."""
        start = np.concatenate([s, np.broadcast_to(self.near, s.shape)], -1)
        x = self._followed(start, returning=True)
        lost = np.flatnonzero(np.isnan(x).any(-1))
        if len(lost):
            x[lost] = self.take(lost)._followed(start[lost], returning=False)
        return x

    def _followed(self, start: Array, returning: bool) -> Array:
        """What is near levels (L, 4), else what best replies settle on from there, whichever firm's
        come first; of two the one of higher joint profit."""
        x = settled(self.case, start, self.tolerances, returning)
        lost = np.flatnonzero(np.isnan(x).any(-1))
        if len(lost):
            there, best = self.take(lost), np.full(len(lost), -np.inf)
            for first in (0, 1):
                found = there.answered(start[lost], first, returning)
                worth = there.worth(found)
                better = np.isnan(x[lost]).any(-1) | (worth > best)
                x[lost[better]] = found[better]
                best = np.maximum(best, worth)
        return x

    def answered(self, start: Array, first: int, returning: bool) -> Array:
        """What best replies settle on from levels (L, 4), this firm's first; NaN where nothing."""
        game = investment_game(self.case, len(start))
        x = best_reply_rounds(game, start, ROUNDS, first=first)
        replied = np.isfinite(x).all(-1)
        x[replied] = settled(self.case.take(replied), x[replied], self.tolerances, returning)
        return x

    def worth(self, x: Array) -> Array:
        """Joint profit (L,) at levels (L, 4) that follow."""
        found = np.asarray(np.isfinite(x).all(-1))
        at = np.where(found[:, None], x, 0.0)
        books = account(self.case, at, bertrand_matrix)
        counts = np.asarray(found & books.describes_market)
        if self.checked and counts.any():
            game = investment_game(self.case, len(at))
            payoff = np.stack([player.value(at) for player in game.players], -1)
            most = np.stack([game.reply(firm, at)[1] for firm in (0, 1)], -1)
            counts &= nobody_gains(payoff, most - payoff, self.tolerances.regret)
        return np.where(counts, books.profit.sum(-1), -np.inf)

    def value(self, s: Array) -> Array:
        """Joint profit (L,)."""
        return self.worth(self.follow(s))

    def slope(self, s: Array) -> tuple[Array, Array, Array]:
        """Joint profit (L,), its total derivative (L, 2) in sharing, and the levels (L, 4); zero
        slope where it is minus infinity."""
        x = self.follow(s)
        value = self.worth(x)
        if not np.isfinite(value).any():
            return value, np.zeros_like(s), x
        at = np.where(np.isfinite(x), x, 0.0)
        game = investment_game(self.case, len(at))
        own, cross = [2, 3], [0, 1]
        _, gradient, hessian = game.players.derivatives(at)
        joint = gradient[0] + gradient[1]
        # rows: own conditions in all four levels
        jacobian = np.stack([hessian[i][:, 2 + i] for i in (0, 1)], 1)
        held = on_bound(at, game.lower, self.tolerances) | on_bound(at, game.upper, self.tolerances)
        by = implicit_slope(jacobian[:, :, own], jacobian[:, :, cross], held[:, own])
        total = joint[:, cross] + np.einsum("lts,lt->ls", by, joint[:, own])
        return value, np.where(np.isfinite(value)[:, None], total, 0.0), x

    def derivatives(self, s: Array) -> tuple[Array, Array, Array]:
        """Joint profit, its total derivative and, by differences of that, its second derivatives
        (L, 2, 2)."""
        value, gradient, x = self.slope(s)
        hessian = np.tile(-np.eye(2), (len(s), 1, 1))
        known = np.flatnonzero(np.isfinite(value))
        either = np.tile(known, 2)  # moved by either firm's sharing, both at once
        beside, moved = replace(self, near=x[:, INVESTMENT], checked=False).take(either), s[either]
        turn = np.arange(len(either)), np.repeat([0, 1], len(known))
        moved[turn] += np.where(moved[turn] > 0.5, -STEP, STEP)
        there = beside.slope(moved)
        slopes = (there[1] - gradient[either]) / (moved - s[either])[turn][:, None]
        hessian[known] = np.stack(np.split(slopes, 2), -1)
        hessian[either[~np.isfinite(there[0])]] = np.nan  # nothing follows a step further on
        blind = ~np.isfinite(hessian).all((-1, -2))
        hessian[blind] = (
            -np.eye(2) * np.maximum(1.0, np.abs(gradient[blind]).max(-1))[:, None, None]
        )
        return value, gradient, (hessian + np.swapaxes(hessian, -1, -2)) / 2

    def runs_away(self, x: Array) -> NDArray[np.bool_]:
        """Whether investments at levels x (L, 4) count as growing without limit (L,)."""
        usual = np.nan_to_num(alone(self.case, len(x)).max(-1), nan=1.0)
        most = np.nan_to_num(x[:, INVESTMENT]).max(-1, initial=0.0)
        return np.asarray(most > RUNAWAY * np.maximum(1.0, usual))

    def at_tries(self, s: Array) -> Array:
        """Joint profit (L, m) at sharing (L, m, 2), m tries in every lane."""
        tries = s.shape[1]
        if not tries:
            return np.empty(s.shape[:2])
        return (
            self.take(np.repeat(np.arange(len(s)), tries))
            .value(s.reshape(-1, 2))
            .reshape(s.shape[:2])
        )


def settled(case: Case, start: Array, tolerances: Tolerances, returning: bool = False) -> Array:
    """Levels (L, 4) at which each investment is the best reply beside a rival that sells, by
    Newton's method from `start`; else NaN.

    Just beyond a fold conditions are nearly met where nothing meets them: there another step of
    Newton's leads far. Where slopes of best replies multiply to more than one replies run away, and
    what they settle on is another equilibrium; below minus one they cycle about what may be the
    only one, which is none if they are to be `returning`.
    """
    game = investment_game(case, len(start))
    assert game.nominate is not None
    x, system = newton(game, start, tolerances, NEWTON)
    found = np.asarray(np.isfinite(x).all(-1))
    at = np.where(found[:, None], x, start)
    # elsewhere it may have met what is no number
    earned, own, bends = (np.where(found, a.T, 0.0).T for a in system)
    to_reply, slope = _replies(case, at, own[:, INVESTMENT], bends[:, [2, 3]])
    short = 1 - slope.prod(-1)
    left = np.abs(to_reply + slope * to_reply[:, ::-1])  # this short of another step
    size = np.maximum(1.0, at[:, INVESTMENT])
    found &= (short >= 0) & (short <= (2 if returning else np.inf))
    found &= (left <= ARRIVED * short[:, None] * size).all(-1)
    takings = np.maximum(1.0, (np.abs(earned) + investment_cost(case, at)).max(-1))
    for firm in (0, 1):
        # by what it earns: where a best reply is about to have no limit its digits are few
        found &= game.nominate(firm, at)[1] - earned[:, firm] <= SAME * takings
    return np.where(found[:, None], x, np.nan)


def replies_beside(case: Case, x: Array) -> tuple[Array, Array, Array]:
    """By its conditions, how far each firm's best investment (L, 2) is from that at levels (L, 4),
    and the slope of its best reply (L, 2), zero where its investment is at a bound; and the slopes
    of both profits (2, L, 4) that tell."""
    _, gradient, hessian = investment_game(case, len(x)).players.derivatives(x)
    own = np.stack([gradient[i][:, 2 + i] for i in (0, 1)], -1)
    bends = np.stack([hessian[i][:, 2 + i] for i in (0, 1)], 1)
    return *_replies(case, x, own, bends), gradient


def _replies(case: Case, x: Array, own: Array, bends: Array) -> tuple[Array, Array]:
    """The first two of these, from the slopes (L, 2) of profits in own investment at levels x (L,
    4), and how these change with all levels (L, 2, 4)."""
    free = (x[:, INVESTMENT] > 0) & (x[:, INVESTMENT] < case.investment_cap)
    bend, cross = bends[:, [0, 1], [2, 3]], bends[:, [0, 1], [3, 2]]
    # where payoff is not concave conditions tell of no best investment
    bend = np.where(free, np.where(bend < 0, bend, np.nan), -1.0)
    return np.where(free, own, 0.0) / -bend, np.where(free, cross, 0.0) / -bend


def at_bounds(case: Case, x: Array) -> Rows:
    """Which investments of levels (L, 4) are at their bounds, as one number (L,)."""
    t = x[:, INVESTMENT]
    return (t <= 0) @ np.array([1, 2]) + (t >= case.investment_cap) @ np.array([4, 8])


def alone(case: Case, lanes: int) -> Array:
    """Each firm's best investment (L, 2) while nobody shares and the rival does not invest; NaN
    where it has no limit."""
    silent = np.zeros((lanes, 4))
    return np.column_stack(
        [best_reply(case, silent, firm, None)[0][:, 2 + firm] for firm in (0, 1)]
    )
