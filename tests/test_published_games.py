"""The solvers on games that are not this market and whose solutions are in print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from market.solve.equilibrium import Apart, Game, find_equilibria, reply_eigenvalues, searched_reply
from market.solve.optimum import maximise
from market.solve.search import descend, polish, search, search_range

Array = np.ndarray


@dataclass(frozen=True)
class Quadratic:
    """x' C x / 2 + g' x + constant, the same in every lane."""

    C: Array
    g: Array
    constant: float = 0.0

    def value(self, x: Array) -> Array:
        return np.einsum("li,ij,lj->l", x, self.C, x) / 2 + x @ self.g + self.constant

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        return (
            self.value(x),
            x @ self.C + self.g,
            np.broadcast_to(self.C, (len(x), *self.C.shape)).copy(),
        )

    def take(self, lanes: Any) -> Quadratic:
        return self


def squared(weights: list[float], level: float, scale: float) -> tuple[Array, Array]:
    """Hessian and gradient at zero of scale (level + weights' x)^2."""
    w = np.array(weights)
    return 2 * scale * np.outer(w, w), 2 * scale * level * w


def research_duopoly(beta: float) -> tuple[Quadratic, Quadratic]:
    """d'Aspremont and Jacquemin (1988), a - A = b = gamma = 1: profits in research x_i once outputs
    follow as Cournot."""
    firms = []
    for own in (0, 1):
        weights = [2 * beta - 1.0, 2 * beta - 1.0]
        weights[own] = 2 - beta
        C, g = squared(weights, 1.0, 1 / 9)
        C[own, own] -= 1
        firms.append(Quadratic(C, g))
    return firms[0], firms[1]


def research_game(beta: float) -> Game:
    """The non-cooperative game: each firm its own research."""
    players, controls = research_duopoly(beta), ((0,), (1,))
    lower, upper = np.zeros(2), np.full(2, 1.0 / beta if beta > 0 else 10.0)
    starts = np.linspace(0, 2, 5)[:, None]
    return Game(
        players=Apart(players),
        controls=controls,
        lower=lower,
        upper=upper,
        reply=searched_reply(players, controls, lower, upper, (starts, starts)),
    )


PUBLISHED = {
    0.1: (0.788382, 0.334347, 0.394265),
    0.3: (0.742358, 0.462633, 0.562771),
    0.5: (0.666667, 0.666667, 0.857143),
}


@pytest.mark.parametrize("beta", PUBLISHED)
def test_research_with_spillovers(beta: float) -> None:
    """Non-cooperative research, cooperation in research alone, and cooperation in outputs too."""
    alone, research, full = PUBLISHED[beta]
    found = find_equilibria(research_game(beta), np.array([[0.7, 0.7], [0.2, 0.9]]))
    symmetric = found.x[np.abs(found.x[:, 0] - found.x[:, 1]) < 1e-9]
    np.testing.assert_allclose(symmetric, [[alone, alone]], atol=1e-6)

    first, second = research_duopoly(beta)
    # With equal research by agreement the joint profit is concave along the diagonal.
    joint = Quadratic(
        (first.C + second.C).sum(keepdims=True), (first.g + second.g).sum(keepdims=True)
    )
    box = np.zeros((1, 1)), np.full((1, 1), 10.0)
    np.testing.assert_allclose(maximise(joint, np.ones((1, 1)), *box).x, [[research]], atol=1e-6)

    # Outputs by agreement too: (1 + (1 + beta) x)^2 / 4 in total, less the cost of both.
    C, g = squared([1 + beta], 1.0, 1 / 4)
    np.testing.assert_allclose(
        maximise(Quadratic(C - 2 * np.eye(1), g), np.ones((1, 1)), *box).x, [[full]], atol=1e-6
    )


def test_research_equilibrium_is_unstable_with_small_spillovers() -> None:
    """Henriques (1990): best replies run away from it below beta = (3 - sqrt 7) / 2, approach it
    above."""
    bound = (3 - np.sqrt(7)) / 2
    assert bound == pytest.approx(0.177124, abs=1e-6)
    for beta in (0.05, bound - 1e-3, bound + 1e-3, 0.3):
        x = (2 - beta) / (4.5 - (2 - beta) * (1 + beta))
        moduli = reply_eigenvalues(research_game(beta), np.array([[x, x]]))[0]
        assert (moduli.max() < 1) == (beta > bound)


def test_research_alone_exceeds_full_cooperation_up_to_a_spillover() -> None:
    """They cross at beta = 3.5 / 8.5."""

    def excess(beta: float) -> float:
        found = find_equilibria(research_game(beta), np.array([[0.7, 0.7]]))
        C, g = squared([1 + beta], 1.0, 1 / 4)
        full = maximise(
            Quadratic(C - 2 * np.eye(1), g),
            np.ones((1, 1)),
            np.zeros((1, 1)),
            np.full((1, 1), 10.0),
        ).x[0, 0]
        return float(found.x[0, 0] - full)

    crossing = 3.5 / 8.5
    assert excess(crossing) == pytest.approx(0, abs=1e-9)
    assert excess(crossing - 0.01) > 0 > excess(crossing + 0.01)


def test_price_leadership() -> None:
    """q_i = 10 - p_i + 0.5 p_j without cost: the leader asks 50/7, the follower 6.785714 and earns
    more."""

    def follower(price: Array) -> Array:
        return (10 + 0.5 * price) / 2

    def value(price: Array) -> Array:
        p = price[..., 0]
        return p * (10 - p + 0.5 * follower(p))

    def slope(price: Array, lanes: Array) -> tuple[Array, Array]:
        p = price[:, 0]
        return (10 - 2 * p + 0.5 * follower(p) + p * 0.125)[:, None], value(price[:, None])[:, 0]

    zero, cap = np.zeros((1, 1)), np.full((1, 1), np.inf)
    top, runaway, _ = search_range(value, np.ones(1), cap[0])
    assert not runaway.any()
    found, _ = search(value, zero, cap, top[:, None], (25,))
    price, residual, _, _ = polish(slope, found, zero, cap)
    leader, answer = float(price[0, 0]), float(follower(price[0, 0]))
    assert residual[0] < 1e-12
    assert leader == pytest.approx(50 / 7, rel=1e-12)
    assert answer == pytest.approx(6.785714, abs=1e-6)
    assert leader * (10 - leader + 0.5 * answer) == pytest.approx(44.642857, abs=1e-6)
    assert answer * (10 - answer + 0.5 * leader) == pytest.approx(46.045918, abs=1e-6)


def test_a_reply_that_jumps_is_found_to_full_precision() -> None:
    """A leader's payoff x that falls by one beyond 0.3: the best is at the jump itself."""

    def value(x: Array) -> Array:
        return np.where(x[..., 0] <= 0.3, x[..., 0], x[..., 0] - 1) - (x[..., 1] - 0.5) ** 2

    lower, upper = np.zeros((1, 2)), np.ones((1, 2))
    at, _ = search(value, lower, upper, upper, (9, 9))
    found = descend(value, at, np.full((1, 2), 0.01), lower, upper)
    np.testing.assert_allclose(found, [[0.3, 0.5]], atol=1e-7)


def test_the_end_of_a_long_bent_edge_is_reached_in_few_steps() -> None:
    """A payoff that rises along a parabola above which it falls by nine, to where it meets a line:
    far from there, beside the step it is begun with."""
    looks = 0

    def value(x: Array) -> Array:
        nonlocal looks
        looks += 1
        s, t = x[..., 0], x[..., 1]
        return s + t - 9 * ((t > s**2) | (s > 0.7))

    start, step = np.array([[0.1, 0.01]]), np.full((1, 2), 1e-4)
    found = descend(value, start, step, np.zeros((1, 2)), np.ones((1, 2)))
    np.testing.assert_allclose(found, [[0.7, 0.49]], atol=1e-9)
    assert looks < 300
