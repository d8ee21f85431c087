"""Local searches for levels of one market under conditions that no weight of profits meets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix

T = TypeVar("T")

Box = tuple[Array, Array]
"""Lower and upper bounds of what is varied; infinite where there is none."""


def once(parts: Callable[[Array], T]) -> Callable[[Array], T]:
    """The same, worked out once of a point: losses, conditions and their slopes are asked for at
    the same points one after the other."""
    last: dict[bytes, T] = {}

    def remembered(x: Array) -> T:
        at = x[:4].tobytes()
        if at not in last:
            last.clear()
            last[at] = parts(x)
        return last[at]

    return remembered


def reached(
    case: Case,
    loss: Callable[[Array], tuple[float, Array]],
    spare: Callable[[Array], Array],
    slopes: Callable[[Array], Array],
    starts: Iterable[tuple[Array, Box]],
) -> Array | None:
    """The levels (4,) of the least loss to which local searches lead from any start in its box, or
    at which one begins; None where none keeps every condition and describes all markets of the flat
    case.

    What is varied begins with the levels. `loss` comes with its slope; `spare` is what is left of
    every condition, `slopes` its slopes.
    """
    from scipy.optimize import Bounds, minimize

    best, least = None, np.inf
    for begin, (lower, upper) in starts:
        conditions = [{"type": "ineq", "fun": spare, "jac": slopes}] if len(spare(begin)) else []
        box, options = Bounds(lower, upper), {"ftol": 1e-13, "maxiter": 300}
        found = minimize(
            loss,
            begin,
            jac=True,
            method="SLSQP",
            bounds=box,
            constraints=conditions,
            options=options,
        )
        for end in (found.x, begin):
            books = account(case, np.broadcast_to(end[:4], (*case.batch, 4)), bertrand_matrix)
            kept = spare(end).min(initial=0.0) >= -1e-9 and bool(books.describes_market.all())
            if kept and (value := loss(end)[0]) < least:
                best, least = end[:4], value
    return best
