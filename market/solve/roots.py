"""Zeros and bounds of polynomials of low degree, lane by lane."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def root_of_line(constant: Array, slope: Array) -> Array:
    """The zero of constant - slope t."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(constant / slope)


def zeros(c0: Array, c1: Array, c2: Array) -> list[Array]:
    """The t at which c0 + c1 t + c2 t^2 = 0; NaN or infinite where there are fewer."""
    if not np.any(c2):
        return [root_of_line(c0, -c1)]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        half = -(c1 + np.where(c1 < 0, -1, 1) * np.sqrt(np.maximum(c1**2 - 4 * c0 * c2, 0.0))) / 2
        return [half / c2, c0 / half]


def falling_zero(c0: Array, c1: Array, c2: Array, c3: Array) -> list[Array]:
    """The t > 0 at which c0 + c1 t + c2 t^2 + c3 t^3, c3 not negative, falls through zero: the
    middle of three zeros, if any. One or two candidates, polished, that need not be positive or
    finite.

    It is found as the reciprocal of a root u = 1/t of u^3 + a u^2 + b u + c, the polynomial over
    c0, since c0 hardly ever vanishes: c3 does as soon as goods are unrelated. That is the
    highest where the polynomial is positive at zero, else the middle one: Viete's formula where all
    three are real, Cardano's where one is.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a, b, c = c1 / c0, c2 / c0, c3 / c0
        Q, R = (a**2 - 3 * b) / 9, (a * (2 * a**2 - 9 * b) + 27 * c) / 54
        apart, wide = Q * Q**2 - R**2, np.sqrt(np.maximum(Q, 0.0))
        angle = np.arccos(np.clip(R / (wide * wide**2), -1.0, 1.0)) / 3
        turn = np.where(c0 > 0, 2 * np.pi / 3, -2 * np.pi / 3)
        big = -np.sign(R) * np.cbrt(np.abs(R) + np.sqrt(np.maximum(-apart, 0.0)))
        one = big + np.where(big == 0, 0.0, Q / big)
        three = -2 * wide * np.cos(angle + turn)
        roots = [1 / (np.where(apart > 0, three, one) - a / 3)]
        # Roots far beyond another are lost in its rounding; without c0 they solve a quadratic.
        lost = (np.abs(b) < 1e-6 * a**2) | (np.abs(c) < 1e-6 * np.abs(a) ** 3)
        if np.any(lost | (c0 == 0)):
            roots.append(zeros(c1, c2, c3)[-1])
        t = np.array(roots)
        for _ in range(3):
            step = (c0 + t * (c1 + t * (c2 + t * c3))) / (c1 + t * (2 * c2 + t * 3 * c3))
            t = t - np.where(np.abs(step) < 0.1 * np.abs(t), step, 0.0)
    return list(t)


def tops(u: tuple[Array, ...], v: tuple[Array, ...], kappa: Array, origin: Array) -> list[Array]:
    """The t > 0 among which the local maximum of u(t) v(t) - (kappa / 2) (t - origin)^2 is, u and v
    being polynomials 1, t, t^2 whose last coefficients multiply to nothing negative."""
    c0 = u[0] * v[1] + u[1] * v[0] + kappa * origin
    c1 = 2 * u[1] * v[1] - kappa
    if not (np.any(u[2]) or np.any(v[2])):
        return [root_of_line(c0, -c1)]
    c1 = c1 + 2 * (u[0] * v[2] + u[2] * v[0])
    return falling_zero(c0, c1, 3 * (u[1] * v[2] + u[2] * v[1]), 4 * u[2] * v[2])


def product(u: Sequence[Array], v: Sequence[Array]) -> list[Array]:
    """The coefficients of the product of two polynomials, lowest first."""
    return [
        sum((u[i] * v[k - i] for i in range(len(u)) if 0 <= k - i < len(v)), np.zeros(1))
        for k in range(len(u) + len(v) - 1)
    ]


def most_between(c: Sequence[Array], low: Array, high: Array) -> Array:
    """No less than any value of c0 + c1 s + ... for s between these: the largest of its
    coefficients in Bernstein's form, exact where that is at an end."""
    n, width = len(c) - 1, high - low
    around = [
        sum((comb(j, k) * c[j] * low ** (j - k) for j in range(k, n + 1)), np.zeros(1)) * width**k
        for k in range(n + 1)
    ]
    return np.max(
        [
            sum((comb(i, k) / comb(n, k) * around[k] for k in range(i + 1)), np.zeros(1))
            for i in range(n + 1)
        ],
        axis=0,
    )
