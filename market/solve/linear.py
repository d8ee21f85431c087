"""Newton directions for many small systems at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.solve.lanes import pick

Array = NDArray[np.float64]


def free_system(matrix: Array, vector: Array, held: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The systems with held variables taken out: their rows and columns become minus the
    identity's, their right sides zero."""
    free = ~held
    both = free[..., :, None] & free[..., None, :]
    out = np.where(both, matrix, 0.0)
    n = matrix.shape[-1]
    out[..., np.arange(n), np.arange(n)] -= held
    return out, np.where(held, 0.0, vector)


def ascent_direction(hessian: Array, gradient: Array, held: NDArray[np.bool_]) -> Array:
    """Newton's direction -H^-1 g (L, n) on the variables not held, with H replaced by -|H|
    (absolute eigenvalues) where it is not negative definite on them. What is held does not move."""
    direction, definite = definite_step(hessian, gradient, held)
    if len(bent := np.flatnonzero(~definite)):
        direction[bent] = _along_eigenvectors(
            *free_system(pick(hessian, bent), pick(gradient, bent), pick(held, bent))
        )
    return direction


def _along_eigenvectors(hessian: Array, gradient: Array) -> Array:
    """|H|^-1 g (L, n).

    Variables are first scaled to curvatures of one, so that what counts as flat does not depend on
    their units.
    """
    curvature = np.abs(np.diagonal(hessian, axis1=-2, axis2=-1))
    unit = 1 / np.sqrt(np.maximum(curvature, 1e-16 * curvature.max(-1, keepdims=True) + 1e-300))
    hessian, gradient = hessian * unit[..., :, None] * unit[..., None, :], gradient * unit
    sound = np.isfinite(hessian).all((-1, -2))
    out = np.zeros_like(gradient)  # a point beyond what floating point can square: nowhere to go
    eigenvalues, vectors = np.linalg.eigh(hessian[sound])
    size = np.abs(eigenvalues)
    size = np.maximum(size, 1e-8 * size.max(-1, keepdims=True) + 1e-300)
    along = (vectors * gradient[sound][..., :, None]).sum(-2) / size
    out[sound] = (vectors * along[..., None, :]).sum(-1)
    return np.asarray(out * unit)


def _solve_definite(matrix: Array, vector: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Solve symmetric systems -M x = v by an LDL' factorisation without pivoting; the flag says
    where all pivots of -M are positive, each beside the entry it comes from, so that it does not
    depend on units."""
    n = matrix.shape[-1]
    # lanes last: every entry is one contiguous run
    work = np.negative(matrix.transpose(1, 2, 0), order="C")
    right = vector.T.copy(order="C")
    floor = 1e-14 * np.abs(work[np.arange(n), np.arange(n)])
    definite = np.ones(len(matrix), bool)
    # what overflows is of no definite system, and not asked for
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(n):
            definite &= work[k, k] > floor[k]
            pivot = np.where(definite, work[k, k], 1.0)
            for i in range(k + 1, n):
                factor = work[k, i] / pivot
                work[i, i:] -= factor * work[k, i:]
                right[i] -= factor * right[k]
            work[k, k] = pivot
        for k in range(n - 1, -1, -1):
            for i in range(k + 1, n):
                right[k] -= work[k, i] * right[i]
            right[k] /= work[k, k]
    return right.T, definite


def definite_step(
    hessian: Array, gradient: Array, held: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.bool_]]:
    """Newton's step -H^-1 g (L, n) on the variables not held, and where H is negative definite on
    them; elsewhere the step leads nowhere in particular. What is held does not move."""
    if held.any():
        hessian, gradient = free_system(hessian, gradient, held)
    return _solve_definite(hessian, gradient)


def solve_general(matrix: Array, right: Array) -> Array:
    """Solve square systems (L, n, n) x = (L, n) or (L, n, m); the least-norm answer where one is
    singular.

    Systems in extended precision are solved in double precision and refined with residuals in their
    own.
    """
    double = np.ascontiguousarray(matrix, float)
    columns = right if right.ndim == matrix.ndim else right[..., None]

    def solve(right: Array) -> Array:
        right = np.asarray(right, float)
        try:
            return np.asarray(np.linalg.solve(double, right))
        except np.linalg.LinAlgError:
            out = np.full(right.shape, np.nan)
            for lane in np.ndindex(
                out.shape[:-2]
            ):  # each by itself: a singular system is no other's matter
                if np.isfinite(double[lane]).all():
                    out[lane] = np.linalg.lstsq(double[lane], right[lane], rcond=None)[0]
            return out

    x = solve(columns)
    if matrix.dtype != float:
        x = x.astype(matrix.dtype)
        for _ in range(3):
            x = x + solve(columns - matrix @ x)
    return x.reshape(right.shape)


def implicit_slope(second: Array, cross: Array, held: NDArray[np.bool_]) -> Array:
    """-second^-1 cross (L, n, m) on the variables not held, zero on the others: the slope of a
    reply by the implicit function."""
    n = second.shape[-1]
    free = ~held
    matrix = np.where(free[:, :, None] & free[:, None, :], second, 0.0)
    matrix[:, np.arange(n), np.arange(n)] += held
    right = np.where(free[:, :, None], cross, 0.0)
    return -solve_general(matrix, right)
