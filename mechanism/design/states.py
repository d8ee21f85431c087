"""Values over states: one axis per player, in the players' order and last, any number of leading
axes for many cases at once.

A state is a profile of types, and what is reported in it. The prior is a vector of probabilities
for each player and, where types are not independent, the probability of every state beside them.
The market keeps its tables seen by each firm instead, (2, ..., M
own, M rival's); `over_states` and `own_first` go between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Label = float | str
"""What a type is called: a number, or text."""
Prior = tuple[Array, ...]
"""(..., K_i) per player: the probabilities of its types."""
Incentive = Literal["bayesian", "dominant"]
"""Truth a best reply in expectation over the others' types, or at each profile of them."""
Timing = Literal["interim", "ex_post"]
"""Joining decided given the own type alone, or in every state."""
INCENTIVES: tuple[Incentive, ...] = ("bayesian", "dominant")
TIMINGS: tuple[Timing, ...] = ("interim", "ex_post")


def along(prior: Prior, player: int, values: Array) -> Array:
    """Values per own type (..., K_i) of one player, laid along its axis of states."""
    size, n = values.shape[-1], len(prior)
    return values.reshape(*values.shape[:-1], *(size if axis == player else 1 for axis in range(n)))


def others(prior: Prior, player: int) -> tuple[int, ...]:
    """Everybody else."""
    return tuple(j for j in range(len(prior)) if j != player)


def product(prior: Prior) -> Array:
    """The probability of every state where types are independent; of no leading axes."""
    probability: Array = np.ones(())
    for p in prior:
        probability = np.multiply.outer(probability, p)
    return probability


def given_the_rest(prior: Prior, joint: Array, over: tuple[int, ...]) -> Array:
    """The probability of these players' types given those of all others, over states. Given what
    never occurs nothing is known: there they are taken to be independent."""
    total = joint.sum(over, keepdims=True)
    occurs = total > 0
    apart = product(prior)
    alone = apart / apart.sum(over, keepdims=True)
    return np.asarray(np.where(occurs, joint / np.where(occurs, total, 1.0), alone))


def expect(
    prior: Prior,
    values: Array,
    over: tuple[int, ...] | None = None,
    joint: Array | None = None,
) -> Array:
    """Expectation over the types of these players (of all, by default) given those of the others,
    kept as axes of length one.

    Along these players' axes `values` are of full length. `joint` is the probability of every
    state, of no leading axes; None: types are independent.
    """
    n = len(prior)
    over = tuple(range(n)) if over is None else over
    if joint is not None:
        weighted = values * given_the_rest(prior, joint, over)
        return np.asarray(weighted.sum(tuple(player - n for player in over), keepdims=True))
    for player in over:
        values = (values * along(prior, player, prior[player])).sum(player - n, keepdims=True)
    return values


@dataclass(frozen=True, kw_only=True)
class Reports:
    """What a tax rule sees: who gets what in every state of reports if reports are true, apart from
    net transfers."""

    others: tuple[Array, ...]
    """Per player, over states: what everybody else gets, public value included. In the market S_i =
    CS_i + TS_j (35)."""
    welfare: Array
    """Over states: what all get together."""
    outside: tuple[Array, ...]
    """Per player, over states or broadcast to them: what staying out is worth."""
    prior: Prior
    joint: Array | None = None
    """The probability of every state; None: types are independent."""
    timing: Timing = "interim"
    """Whether a player decides to join given its own type alone, or in every state."""
    best_of_others: Callable[[int], Array] | None = None
    """From a player to the most the others could get were its wishes ignored, over states; None
    where nobody can say."""

    @property
    def players(self) -> range:
        """The players' numbers, from 0."""
        return range(len(self.prior))

    def rivals(self, player: int) -> tuple[int, ...]:
        """Everybody but this player."""
        return others(self.prior, player)

    def full(self, values: Array) -> Array:
        """Values over all states, read-only."""
        return np.broadcast_to(values, self.welfare.shape)

    def expect(self, values: Array, over: tuple[int, ...] | None = None) -> Array:
        """Expectation over these players' types (all, by default) given the others', kept as axes
        of length one."""
        return expect(self.prior, values, over, self.joint)

    def gain(self, player: int) -> Array:
        """Over states: welfare beyond the player's outside option, all there is to gain by having
        it join."""
        return np.asarray(self.welfare - self.outside[player])

    def least(self, player: int, values: Array) -> Array:
        """Values at the player's worst type: the one with the least of them in expectation
        (interim), the first of several, or in each profile of the others' types (ex post). The
        player's axis is kept, of length one."""
        axis = player - len(self.prior)
        if self.timing == "ex_post":
            return values.min(axis, keepdims=True)
        expected = self.expect(values, self.rivals(player))
        rounding = 1e-13 * np.ptp(values, tuple(range(-len(self.prior), 0)), keepdims=True)
        worst = (expected <= expected.min(axis, keepdims=True) + rounding).argmax(
            axis, keepdims=True
        )
        return np.take_along_axis(values, worst, axis)


@dataclass(frozen=True, kw_only=True)
class OwnReports:
    """One player's reports on a grid, against C profiles of the others' types."""

    points: Array
    """(M,) ascending: the reports."""
    net: Array
    """(M, C): the net transfer to the player."""
    others: Array
    """(M, C): what everybody else gets."""
    weights: Array
    """(C,): the probability of each profile."""

    def straight(self, reports: Array) -> Array:
        """The net transfer (n, C) at other reports (n,) on straight lines between grid points."""
        return np.stack([np.interp(reports, self.points, column) for column in self.net.T], -1)


def over_states(table: Array) -> tuple[Array, Array]:
    """Values (2, ..., M own, M rival's) seen by each firm, as values over states: firm 1's type
    first."""
    return table[0], np.swapaxes(table[1], -1, -2)


def own_first(first: Array, second: Array) -> Array:
    """Values of firm 1 and of firm 2 over states as each firm sees them, (2, ..., M own, M
    rival's)."""
    return np.stack([first, np.swapaxes(second, -1, -2)])
