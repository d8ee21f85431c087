"""Constraints as convex programs: what has to be solved, stated in cvxpy. The only module that
imports it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechanism.design.states import Array

UNKNOWN = "unknown"
"""The status of a program to which the solver has no answer."""


def solve(problem: cp.Problem, solver: str = "HIGHS", **options: float | str) -> str:
    """Solve and give cvxpy's status; `UNKNOWN` where the solver has no answer."""
    try:
        with _without_banner():
            problem.solve(solver=solver, **options)
    except cp.error.SolverError:
        return UNKNOWN
    except ValueError as error:  # so cvxpy takes it that HiGHS stopped without an answer
        if "invalid solution" not in str(error):
            raise
        return UNKNOWN
    return str(problem.status)


@contextmanager
def _without_banner() -> Iterator[None]:
    """Keep the line that HiGHS prints on creation, whatever its options, out of standard output,
    where results go."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One constraint of a repair and its weight: the price of a unit of relaxing it, or its part in
    a proof of infeasibility."""

    constraint: Literal["ic", "ir"]
    type: int
    """Index of the true type."""
    report: int | None
    """Index of the report that must not pay; None for participation."""
    weight: float


@dataclass(frozen=True, kw_only=True)
class Repair:
    """The least correction of one firm's interim net transfers, or the proof that there is none."""

    status: Literal["optimal", "infeasible", "not_established"]
    correction: Array | None
    """(K,): added to the net transfer of each report."""
    rows: tuple[Row, ...]
    """Optimal: what binds, at what price. Infeasible: the conflicting constraints with their
    weights."""
    verified: bool
    """Optimal: all constraints hold and the dual value equals the total. Infeasible: the weighted
    rows sum to 0 >= something positive."""


def repair_rows(
    gain: Array, slack: Array | None
) -> tuple[sparse.csr_matrix, Array, NDArray[np.intp], NDArray[np.intp]]:
    """The constraints A c >= d on corrections c (K,): for a gain D (K, K) of type k from report r,
    c_k - c_r >= D[k, r]; for a participation slack (K,), c_k >= -slack_k. Also each row's type and
    report (-1 for participation).
    """
    size = len(gain)
    kind, report = np.nonzero(~np.eye(size, dtype=bool))
    n = len(kind)
    index = np.arange(n)
    data = np.concatenate([np.ones(n), -np.ones(n)])
    A = sparse.csr_matrix(
        (data, (np.concatenate([index, index]), np.concatenate([kind, report]))), shape=(n, size)
    )
    d = gain[kind, report]
    if slack is not None:
        A = sparse.vstack([A, sparse.identity(size)]).tocsr()
        d = np.concatenate([d, -slack])
        kind = np.concatenate([kind, np.arange(size)])
        report = np.concatenate([report, np.full(size, -1)])
    return A, d, kind, report


def largest_violation(gain: Array, slack: Array | None) -> float | None:
    """The chosen IC and IR of one firm as one program: the least v >= 0 by which all rows must be
    relaxed; None if not solved."""
    A, d, _, _ = repair_rows(gain, slack)
    scale = _scale(d)
    v = cp.Variable(nonneg=True)
    stated = cp.Problem(cp.Minimize(v), [A @ np.zeros(len(gain)) + v >= d / scale])
    status = solve(stated, presolve="off")  # of one variable it compares each row with every other
    return scale * float(v.value) if status == cp.OPTIMAL else None


def _scale(amounts: Array) -> float:
    """What a program divides amounts of money by; 1 where all are zero."""
    return float(np.abs(amounts).max(initial=0.0)) or 1.0


def repair(gain: Array, slack: Array | None) -> Repair:
    """The correction (K,) of least total absolute size after which no report pays and, with
    `slack`, every type joins."""
    A, d, kind, report = repair_rows(gain, slack)
    size, scale = len(gain), _scale(d)
    d = d / scale
    first = (report < 0) | (np.abs(kind - report) == 1)
    parts = sparse.hstack([A, -A]).tocsr()  # c = c+ - c-
    found = least_cost(np.ones(2 * size), parts, d, None, slice(0, 2 * size), first)
    if found.x is not None:
        price = found.prices
        correction = found.x[:size] - found.x[size:]
        holds = bool((A @ correction - d).min(initial=0.0) >= -1e-7)
        # Duality for min |c|_1: the price is feasible when |A'y| <= 1, and then d'y bounds the
        # total from below.
        tight = np.abs(A.T @ price).max(initial=0.0) <= 1 + 1e-7 and abs(
            d @ price - np.abs(correction).sum()
        ) <= 1e-6 * len(gain)
        return Repair(
            status="optimal",
            correction=scale * correction,
            rows=_rows(price, kind, report),
            verified=holds and bool(tight),
        )
    # The least violation v of all rows at once is positive, and its prices y >= 0 prove it: A'y =
    # 0, sum y = 1, d'y = v > 0.
    violation, relaxed = np.eye(size + 1)[-1], sparse.hstack([A, np.ones((len(d), 1))]).tocsr()
    weight = (
        least_cost(violation, relaxed, d, None, slice(size, size + 1), first).prices
        if found.status == "infeasible"
        else np.zeros(len(d))
    )
    if not (weight.min() >= -1e-9 and np.abs(A.T @ weight).max() <= 1e-9 and d @ weight > 1e-9):
        return Repair(status="not_established", correction=None, rows=(), verified=False)
    return Repair(
        status="infeasible", correction=None, rows=_rows(weight, kind, report), verified=True
    )


def _rows(weight: Array, kind: NDArray[np.intp], report: NDArray[np.intp]) -> tuple[Row, ...]:
    return tuple(
        Row(
            constraint="ir" if report[i] < 0 else "ic",
            type=int(kind[i]),
            report=None if report[i] < 0 else int(report[i]),
            weight=float(weight[i]),
        )
        for i in np.flatnonzero(weight > 1e-9)
    )


@dataclass(frozen=True)
class LinearAnswer:
    """The answer to a linear program."""

    status: Literal["optimal", "infeasible", "unbounded", "not_established"]
    value: float
    x: Array | None
    prices: Array
    """Of the rows G x >= h, not negative: what relaxing a row by one unit saves."""
    equality_prices: Array


EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
"""The tightest HiGHS takes."""

STATUSES: dict[str, Literal["optimal", "infeasible", "unbounded"]] = {
    cp.OPTIMAL: "optimal",
    cp.INFEASIBLE: "infeasible",
    cp.UNBOUNDED: "unbounded",
}


def linear_program(
    cost: Array,
    G: sparse.csr_matrix,
    h: Array,
    equalities: tuple[sparse.csr_matrix, Array] | None,
    nonnegative: slice,
    solver: str = "HIGHS",
) -> LinearAnswer:
    """The least cost @ x subject to G x >= h, E x = e where any, and x >= 0 in
    `nonnegative`."""
    x = cp.Variable(len(cost))
    rows = G @ x >= h
    constraints = [rows]
    E, e = equalities or (sparse.csr_matrix((0, len(cost))), np.zeros(0))
    equal = E @ x == e if E.shape[0] else None
    if equal is not None:
        constraints.append(equal)
    if nonnegative.stop > nonnegative.start:
        constraints.append(x[nonnegative] >= 0)
    problem = cp.Problem(cp.Minimize(cost @ x), constraints)
    with warnings.catch_warnings():
        # What a solver calls inaccurate has a status of its own, and is not established.
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        status = STATUSES.get(
            solve(problem, solver, **(EXACT if solver == "HIGHS" else {})), "not_established"
        )
    if status != "optimal":
        return LinearAnswer(status, float("nan"), None, np.zeros(len(h)), np.zeros(len(e)))
    # cvxpy's price of an equality has the sign with which its left side less its right side enters
    # the Lagrangian.
    equality = np.zeros(len(e)) if equal is None else -np.asarray(equal.dual_value).ravel()
    return LinearAnswer(
        status,
        float(problem.value),
        np.asarray(x.value),
        np.asarray(rows.dual_value).ravel(),
        equality,
    )


ROUNDS = 6
"""Times that violated rows are added before all are."""


def least_cost(
    cost: Array,
    G: sparse.csr_matrix,
    h: Array,
    equalities: tuple[sparse.csr_matrix, Array] | None,
    nonnegative: slice,
    first: NDArray[np.bool_],
    solver: str = "HIGHS",
) -> LinearAnswer:
    """The same of a program most of whose rows G x >= h do not bind.

    Those in `first` are asked; the solution is then held against all, and what it violates is
    added. A solution of fewer constraints that meets all is one of the whole program, and so is a
    proof that it has none.
    """
    active = first.copy()
    for attempt in range(ROUNDS + 1):
        active |= attempt == ROUNDS
        answer = linear_program(cost, G[active], h[active], equalities, nonnegative, solver)
        prices = np.zeros(len(h))
        prices[active] = answer.prices
        if answer.x is not None:
            new = (G @ answer.x - h < -1e-9) & ~active
            if not new.any():
                return replace(answer, prices=prices)
            active |= new
        elif answer.status == "infeasible" or active.all():
            return replace(answer, prices=prices)
        else:  # fewer constraints may be unbounded where all of them are not
            active[:] = True
    raise AssertionError("the last attempt has all constraints")
