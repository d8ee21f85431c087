"""Climbs from rates to better ones nearby: of the value where it is smooth, and of the smooth
program that states its kinks as constraints (`mechanism.rates.robust_rates` tells of both).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from market.model.case import Array
from mechanism.rates.rates_problem import Piece, Point, RatesProblem

GRADIENT = 1e-10
"""Slope of the value in the rates, natural units, at which their search ends."""
TOLD_BY_VALUES = 1e-6
"""The same, below which values differ by little but rounding."""
SAME = 1e-8
"""Share of their sizes below which a product of vectors is rounding."""
SMALL = 0.1
"""Share of rates by which a climb with constraints steps at first."""
FAR = 1e3
"""Loss where no equilibrium is found, beside values of the size of one."""
STEPS = 60
"""Steps of a climb with constraints; where a level of some type reaches its bound the value has a
kink, which it approaches slowly."""
ROUNDS = 20
"""Times that types whose participation was not yet stated are added."""


class Follower:
    """What rates lead to along a search: every solution starts the next."""

    def __init__(self, problem: RatesProblem, point: Point, piece: Piece | None = None) -> None:
        self.problem, self.last, self.asked, self.piece = problem, point, point, piece
        self.lost = np.full_like(point.free, np.nan)

    def at(self, free: Array) -> Point | None:
        """What these rates lead to; None where no equilibrium is found."""
        if np.array_equal(free, self.lost):
            return None
        if not np.array_equal(free, self.asked.free):
            near = self.last
            guess = near.z + near.slope @ (free - near.free)
            found = self.problem.points(free[None], guess[None], self.piece)[0]
            if found is None:
                found = self.problem.points(free[None], near.z[None], self.piece)[0]
            if found is None:
                self.lost = free.copy()
                return None
            self.asked = self.last = found
        return self.asked


def ascent(problem: RatesProblem, follower: Follower) -> Point:
    """The rates of the highest expected welfare: by values, and the last digits by slopes alone."""

    def slope(point: Point) -> Array:
        return point.consumers_slope + point.profit_slope

    def welfare(point: Point) -> float:
        return point.consumers + point.profit

    def loss(free: Array) -> tuple[float, Array]:
        point = follower.at(free)
        if point is None:
            return np.inf, np.zeros_like(free)
        return -welfare(point), -slope(point)

    start = follower.last
    options = {"maxiter": 100, "gtol": TOLD_BY_VALUES}
    found = minimize(loss, start.free, jac=True, method="BFGS", options=options)
    point, reach = follower.at(found.x) or start, np.asarray(found.hess_inv)
    for _ in range(ROUNDS):
        left = slope(point)
        if np.abs(left).max() <= GRADIENT:
            break
        step = reach @ left
        nearer = follower.at(point.free + step)
        # from a kink steps lead far off, to where nothing depends on rates and no slope is left
        if nearer is None or welfare(nearer) < welfare(point) - problem.gain:
            break
        # what a slope takes to vanish, as the last step has it
        fell = left - slope(nearer)
        short = step - reach @ fell
        if abs(short @ fell) > SAME * np.abs(short).max() * np.abs(fell).max():
            reach = reach + np.outer(short, short) / (short @ fell)
        if np.abs(slope(nearer)).max() < np.abs(left).max():
            point = nearer
    return point


def constrained(problem: RatesProblem, follower: Follower) -> Point:
    """The rates of the highest value, its kinks stated as constraints, on a piece where the
    follower keeps to one."""
    program = _Program(problem, follower)
    bound = {
        "type": "ineq",
        "fun": lambda y: program.constraints(y)[0],
        "jac": lambda y: program.constraints(y)[1],
    }
    options = {"maxiter": STEPS, "ftol": problem.gain}
    point = program.start
    for _ in range(ROUNDS):
        if program.joining_matters and not program.states_more(point):
            break
        found = minimize(
            program.loss,
            program.variables(point),
            jac=True,
            method="SLSQP",
            constraints=[bound],
            options=options,
        )
        point = program.point_at(found.x) or follower.last
        if not program.stated:
            break
    return point


class _Program:
    """The search for rates as a smooth program.

    Variables are steps in the free rates, small ones being of size one, and where outlay counts it
    and both flat parts. Participation is stated for the types that gain least; those that turn out
    to gain less are added until there are none.
    """

    def __init__(self, problem: RatesProblem, follower: Follower) -> None:
        self.problem, self.follower, self.start = problem, follower, follower.last
        self.n = len(self.start.free)
        self.flats, self.paid = 2 * problem.flat_matters, int(problem.burden != 0)
        self.width = self.n + self.flats + self.paid
        self.step = SMALL * np.maximum(np.abs(self.start.free), 0.1)
        self.stated: list[int] = []
        self.joining_matters = bool(self.flats) or not problem.joins

    def states_more(self, point: Point) -> bool:
        """State participation of the types that gain least there; whether any was not stated."""
        least = point.slack.reshape(2, -1).argmin(1)
        firsts = np.array([0, self.start.slack[0].size])
        new = [int(k) for k in firsts + least if k not in self.stated]
        self.stated += new
        return bool(new)

    def point_at(self, y: Array) -> Point | None:
        return self.follower.at(self.start.free + self.step * y[: self.n])

    def variables(self, point: Point) -> Array:
        flat, outlay = self.problem.flat(point)[: self.flats], [self.problem.outlay(point)]
        steps = (point.free - self.start.free) / self.step
        return np.array([*steps, *flat, *outlay[: self.paid]])

    def in_variables(self, slope: Array) -> Array:
        """Slopes in the free rates (..., n) as slopes in all variables."""
        rest = np.zeros((*slope.shape[:-1], self.width - self.n))
        return np.concatenate([self.step * slope, rest], -1)

    def loss(self, y: Array) -> tuple[float, Array]:
        """What is lost against nothing, and its slope."""
        point, beta = self.point_at(y), float(self.problem.standard.profit_weight)
        if point is None:
            return FAR, np.zeros_like(y)
        outlay, burden = y[self.n + self.flats :], self.problem.burden
        slope = self.in_variables(-(point.consumers_slope + beta * point.profit_slope))
        slope[self.n + self.flats :] = burden
        return -(point.consumers + beta * point.profit) + burden * float(outlay.sum()), slope

    def constraints(self, y: Array) -> tuple[Array, Array]:
        """What must not be negative, and its slopes."""
        point = self.point_at(y) or self.follower.last
        told = [self._joining(y, point), *self._paying(y, point)]
        if self.follower.piece is not None:
            within, slope, _ = self.follower.piece.conditions(self.problem.game, point)
            told.append((within, self.in_variables(slope)))
        if np.isfinite(self.problem.least_consumers):
            short = np.array([point.consumers - self.problem.least_consumers])
            told.append((short, self.in_variables(point.consumers_slope)[None]))
        values, slopes = zip(*told, strict=True)
        return np.concatenate(values), np.concatenate(slopes)

    def _joining(self, y: Array, point: Point) -> tuple[Array, Array]:
        """Of the types that are stated, what joining is worth, with the flat part."""
        value = point.slack.ravel()[self.stated]
        slope = self.in_variables(point.slack_slope.reshape(-1, self.n)[self.stated])
        if self.flats:
            at = self.n + np.array(self.stated, int) // self.start.slack[0].size
            value = value + y[at]
            slope[np.arange(len(self.stated)), at] = 1.0
        return value, slope

    def _paying(self, y: Array, point: Point) -> list[tuple[Array, Array]]:
        """That outlay covers what is paid and, without fees, is none that firms pay."""
        if not self.paid:
            return []
        flat = y[self.n : self.n + self.flats]
        covered = self.in_variables(-point.received_slope.sum(0))
        covered[self.n :] = [-1.0] * self.flats + [1.0]
        told = [(y[-1:] - flat.sum() - point.received.sum(), covered[None])]
        return told if self.problem.standard.fees else [*told, (y[-1:], np.eye(self.width)[-1:])]
