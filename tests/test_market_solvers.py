"""The solvers on problems that have nothing to do with this market, with known answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.solve.edge import on_an_edge
from market.solve.equilibrium import Apart, Game, examine, find_equilibria, searched_reply
from market.solve.linear import ascent_direction
from market.solve.optimum import distinct_points, free_curvature, maximise, on_bound
from market.solve.roots import falling_zero


@dataclass(frozen=True)
class Quadratic:
    """b'x + x'Cx / 2, one objective for any number of points, or one per lane."""

    b: np.ndarray
    C: np.ndarray

    def take(self, lanes: Any) -> Quadratic:
        """The objectives of these lanes."""
        return self if self.C.ndim == 2 else Quadratic(self.b[lanes], self.C[lanes])

    def value(self, x: np.ndarray) -> np.ndarray:
        """Payoffs."""
        return (self.b * x).sum(-1) + ((self.C @ x[..., None])[..., 0] * x).sum(-1) / 2

    def derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, gradient, Hessian."""
        return (
            self.value(x),
            self.b + (self.C @ x[..., None])[..., 0],
            np.broadcast_to(self.C, (*x.shape, x.shape[-1])).copy(),
        )


@dataclass(frozen=True)
class DoubleWell:
    """-(x^2 - 1)^2 + tilt x, with peaks near -1 and 1."""

    tilt: float

    def take(self, lanes: Any) -> DoubleWell:
        """One objective for all lanes."""
        return self

    def value(self, x: np.ndarray) -> np.ndarray:
        """Payoffs."""
        return (-((x**2 - 1) ** 2) + self.tilt * x)[..., 0]

    def derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, gradient, Hessian."""
        return self.value(x), -4 * x * (x**2 - 1) + self.tilt, (4 - 12 * x**2)[..., None]


@dataclass(frozen=True)
class FarRidge:
    """A vast payoff of a sum u and a difference d of two levels, both far out:

    1e27 - (u - 2e13)^2 + d^2 - d^4 / (8 c^2), c = 1e12: a saddle at d = 0, maxima at +- 2 c.
    """

    def take(self, lanes: Any) -> FarRidge:
        """One objective for all lanes."""
        return self

    def value(self, x: np.ndarray) -> np.ndarray:
        """Payoffs."""
        u, d = x.sum(-1), x[..., 0] - x[..., 1]
        return 1e27 - (u - 2e13) ** 2 + d**2 - d**4 / 8e24

    def derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, gradient, Hessian."""
        u, d = x.sum(-1), x[..., 0] - x[..., 1]
        along, across = -2 * (u - 2e13), 2 * d - d**3 / 2e24
        bend = (2 - 1.5 * d**2 / 1e24)[..., None, None] * np.array([[1.0, -1], [-1, 1]])
        return self.value(x), np.stack([along + across, along - across], -1), bend - 2


def test_a_climb_leaves_a_saddle_beside_which_a_vast_payoff_has_hardly_a_slope() -> None:
    """Slopes over the payoff are nil all over; what there is to gain is not."""
    start = np.array([[1e13 + 3e8, 1e13], [1e13, 1e13 + 3e8]])
    end = maximise(FarRidge(), start, np.zeros((2, 2)), np.full((2, 2), np.inf))
    np.testing.assert_allclose(end.x, [[1.1e13, 0.9e13], [0.9e13, 1.1e13]], rtol=1e-6)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5))
@settings(max_examples=50)
def test_concave_quadratics_satisfy_the_first_order_conditions_of_the_box(
    seed: int, n: int
) -> None:
    """Karush-Kuhn-Tucker: gradient zero inside, outward at bounds; in every lane at once."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(30, n, n))
    problem = Quadratic(
        rng.normal(size=(30, n)) * 3, -(root @ np.swapaxes(root, 1, 2)) - 0.1 * np.eye(n)
    )
    lower, upper = np.zeros((30, n)), np.ones((30, n))
    upper[:10] = np.inf
    found = maximise(problem, rng.uniform(size=(30, n)), lower, upper)
    gradient = problem.derivatives(found.x)[1]
    scale = np.maximum(1, np.abs(found.value))[:, None]
    inside = (found.x > lower) & (found.x < upper)
    assert np.abs(np.where(inside, gradient, 0) / scale).max() <= 1e-9
    assert (np.where(found.x == lower, gradient, 0) <= 1e-9 * scale).all()
    assert (np.where(found.x == upper, gradient, 0) >= -1e-9 * scale).all()


def test_ascent_leaves_a_saddle_and_curvature_tells_peak_from_saddle() -> None:
    saddle = Quadratic(np.array([1e-3, 0.0]), np.array([[1.0, 0.0], [0.0, -1.0]]))
    found = maximise(
        saddle, np.array([[0.0, 0.3]]), np.array([[-2.0, -2.0]]), np.array([[2.0, 2.0]])
    )
    np.testing.assert_allclose(found.x, [[2, 0]], atol=1e-12)
    H = np.broadcast_to(saddle.C, (1, 2, 2))
    assert free_curvature(H, np.array([[False, False]]))[0] == 1
    assert free_curvature(H, np.array([[True, False]]))[0] == -1
    assert np.isnan(free_curvature(H, np.array([[True, True]]))[0])
    assert not on_bound(np.array([3.0]), np.array([np.inf]))[0]


def test_several_starts_find_both_peaks_in_order() -> None:
    start = np.linspace(-2, 2, 9)[:, None]
    found = maximise(DoubleWell(0.3), start, np.full((9, 1), -2.0), np.full((9, 1), 2.0))
    peaks = distinct_points(found.x, found.value)
    roots = np.sort(np.roots([-4, 0, 4, 0.3]).real)
    np.testing.assert_allclose(found.x[peaks[:2], 0], [roots[2], roots[0]], rtol=1e-10)


def test_directions_ascend_where_the_hessian_is_indefinite() -> None:
    rng = np.random.default_rng(0)
    H = rng.normal(size=(200, 4, 4))
    H = H + np.swapaxes(H, 1, 2)
    g = rng.normal(size=(200, 4))
    assert ((ascent_direction(H, g, np.zeros((200, 4), bool)) * g).sum(-1) > 0).all()


def cournot(slope: float) -> Game:
    """Two Cournot firms, P = 12 - Q, cost slope q^2 / 2 with slope possibly negative."""
    players = tuple(
        Quadratic(
            np.eye(2)[i] * 12,
            np.array([[-(2 + slope) * (i == 0), -1.0], [-1.0, -(2 + slope) * (i == 1)]]),
        )
        for i in (0, 1)
    )
    lower, upper = np.zeros(2), np.full(2, 10.0)
    controls = ((0,), (1,))
    own_starts = (np.linspace(0, 10, 5)[:, None],) * 2
    return Game(
        players=Apart(players),
        controls=controls,
        lower=lower,
        upper=upper,
        reply=searched_reply(players, controls, lower, upper, own_starts),
    )


def starts() -> np.ndarray:
    """A grid of starting points."""
    return np.stack(np.meshgrid([0.0, 3.0, 7.0, 10.0], [0.0, 3.0, 7.0, 10.0]), -1).reshape(-1, 2)


def test_textbook_cournot() -> None:
    """q = 12 / 3."""
    found = find_equilibria(cournot(0.0), starts())
    np.testing.assert_allclose(found.x, [[4, 4]], rtol=1e-12)
    assert found.regret[0] <= 1e-10
    assert found.curvature[0] == -2


def test_strategic_substitutes_with_falling_marginal_cost_have_three_equilibria() -> None:
    """With slope -1.5 the reply 24 - 2 q_j is steeper than one: 8, 8 is unstable, and at the bound
    q_j = 10 the reply is 4."""
    found = find_equilibria(cournot(-1.5), starts())
    np.testing.assert_allclose(found.x, [[4, 10], [8, 8], [10, 4]], atol=1e-9)
    assert found.regret.max() <= 1e-10


def test_a_first_order_point_that_fails_globally_is_no_equilibrium() -> None:
    """A player on its lower peak has regret, however small its residual."""
    players = (DoubleWell(0.3), DoubleWell(0.3))
    game = Game(
        players=Apart((players[0],)),
        controls=((0,),),
        lower=np.array([-2.0]),
        upper=np.array([2.0]),
        reply=searched_reply(
            (players[0],),
            ((0,),),
            np.array([-2.0]),
            np.array([2.0]),
            (np.linspace(-2, 2, 9)[:, None],),
        ),
    )
    low = np.sort(np.roots([-4, 0, 4, 0.3]).real)[[0]]
    judged = examine(game, low[None])
    assert judged.residual[0] < 1e-12
    assert judged.regret[0] > 0.1
    assert find_equilibria(game, np.linspace(-2, 2, 9)[:, None]).x.shape == (1, 1)


def test_matching_pennies_has_no_equilibrium_in_pure_levels() -> None:
    """One wants equal levels, the other different ones: best replies cycle and nothing is
    reported."""

    @dataclass(frozen=True)
    class Chase:
        sign: float

        def take(self, lanes: Any) -> Chase:
            return self

        def value(self, x: np.ndarray) -> np.ndarray:
            return self.sign * (x[..., 0] - x[..., 1]) ** 2

        def derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            d = 2 * self.sign * (x[..., 0] - x[..., 1])
            H = 2 * self.sign * np.array([[1.0, -1.0], [-1.0, 1.0]])
            return self.value(x), np.stack([d, -d], -1), np.broadcast_to(H, (*x.shape, 2)).copy()

    players, controls = (Chase(-1.0), Chase(1.0)), ((0,), (1,))
    lower, upper = np.zeros(2), np.ones(2)
    own = (np.linspace(0, 1, 5)[:, None],) * 2
    game = Game(
        players=Apart(players),
        controls=controls,
        lower=lower,
        upper=upper,
        reply=searched_reply(players, controls, lower, upper, own),
    )
    assert len(find_equilibria(game, starts() / 10).x) == 0


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_lanes_do_not_disturb_each_other(far: float) -> None:
    """A lane's answer is the same alone and among others of very different size."""
    rng = np.random.default_rng(3)
    C = (
        -np.eye(3)
        * rng.uniform(0.5, 2, (50, 1, 1))
        * np.where(np.arange(50) % 2, far, 1.0)[:, None, None]
    )
    problem = Quadratic(rng.normal(size=(50, 3)), C)
    lower, upper = np.full((50, 3), -1.0), np.full((50, 3), 1.0)
    together = maximise(problem, np.zeros((50, 3)), lower, upper)
    for lane in (0, 1, 17):
        alone = maximise(problem.take([lane]), np.zeros((1, 3)), lower[[lane]], upper[[lane]])
        np.testing.assert_array_equal(alone.x[0], together.x[lane])


@dataclass(frozen=True)
class Rising:
    """A payoff of one slope everywhere, on a disc of radius .4 in the middle of the square, cut off
    at the right; where its edge is blurred it is as if rounding moved it by so much."""

    slope: tuple[float, float]
    right: float
    looked: list[int]
    blur: float = 0.0

    def labels(self, s: np.ndarray) -> np.ndarray:
        """One inside."""
        self.looked.append(len(s))
        moved = self.blur * np.sin(1e12 * s @ np.array([1.0, np.pi]))
        return ((np.hypot(*(s - 0.5).T) <= 0.4 + moved) & (s[:, 0] <= self.right + moved)).astype(
            int
        )

    def slopes(self, s: np.ndarray) -> np.ndarray:
        """The slope."""
        return np.tile(np.array(self.slope), (len(s), 1))

    def near(self, s: np.ndarray) -> Rising:
        """The same."""
        return self


DISCS = [
    # where the circle is square to the slope
    ((1.0, 2.0), 1.0, (0.5 + 0.4 / 5**0.5, 0.5 + 0.8 / 5**0.5)),
    ((-3.0, 4.0), 1.0, (0.26, 0.82)),
    # where the circle meets the cut
    ((1.0, 2.0), 0.6, (0.6, 0.5 + 0.15**0.5)),
    # where the cut, a side of the square, is met
    ((1.0, 0.0), 0.95, (0.9, 0.5)),
]


@pytest.mark.parametrize(("slope", "right", "best"), DISCS)
def test_the_best_point_of_an_edge_is_found_to_rounding_in_few_looks(
    slope: tuple[float, float], right: float, best: tuple[float, float]
) -> None:
    """At a corner too, where no secant helps and directions from either side meet."""
    looked: list[int] = []
    found, _ = on_an_edge(Rising(slope, right, looked), np.array([0.45, 0.4]))
    assert found == pytest.approx(best, abs=1e-10)
    assert len(looked) < 150


@pytest.mark.parametrize(("slope", "right", "best"), DISCS)
@pytest.mark.parametrize("blur", [1e-12, 1e-10, 1e-8, 1e-7])
def test_an_edge_that_is_blurred_is_not_looked_at_more_closely_than_it_is_known(
    slope: tuple[float, float], right: float, best: tuple[float, float], blur: float
) -> None:
    """What is lost beside the best is of the size of the blur, or of the steps that see an edge of
    it at all."""
    looked: list[int] = []
    found, _ = on_an_edge(Rising(slope, right, looked, blur), np.array([0.45, 0.4]))
    assert len(looked) < 250
    lost = (np.array(best) - found) @ slope / np.hypot(*slope)
    assert abs(lost) <= max(1e-9, 1e4 * blur)


@dataclass(frozen=True)
class UnderAnArch(Rising):
    """The same under an arch that begins at the right side of the square."""

    def labels(self, s: np.ndarray) -> np.ndarray:
        """One inside."""
        x = 1 - s[:, 0]
        return (s[:, 1] <= 0.2 + 0.6 * x - 0.6 * x**2).astype(int)


@pytest.mark.parametrize(("right", "best"), [(0.1, 1 - 0.5 / 1.2), (0.7, 1.0)])
def test_an_edge_that_begins_at_a_side_is_followed_from_there(right: float, best: float) -> None:
    """The slope leads across the side: along it to the edge, and from there as far as that rises,
    which with more slope to the right is nowhere."""
    found, _ = on_an_edge(UnderAnArch((right, 1.0), 1.0, []), np.array([1.0, 0.1]))
    x = 1 - best
    assert found == pytest.approx([best, 0.2 + 0.6 * x - 0.6 * x**2], abs=1e-8)


def test_without_an_edge_ahead_nothing_is_moved() -> None:
    start = np.array([0.45, 0.4])
    found, _ = on_an_edge(Rising((0.0, 0.0), 1.0, []), start)
    assert (found == start).all()


@pytest.mark.parametrize("degree", [2, 3])
def test_wherever_a_cubic_falls_through_zero_is_said(degree: int) -> None:
    """Of polynomials made from zeros of all sizes and signs; of lower degree also those that fall
    in the end."""
    rng, met = np.random.default_rng(degree), 0
    for _ in range(2000):
        zeros = np.sort(rng.choice([-1, 1], degree) * 10 ** rng.uniform(-9, 9, degree))
        rising = degree == 3 or bool(rng.integers(2))
        c = np.zeros(4)
        c[: degree + 1] = np.polynomial.polynomial.polyfromroots(zeros) * (1 if rising else -1)
        falls = zeros[-2 if rising else -1]
        if falls > 0:
            met += 1
            found = np.concatenate(falling_zero(*c[:, None]))
            assert np.nanmin(np.abs(found / falls - 1)) < 1e-6
    assert met > 500


@pytest.mark.parametrize("c3", [0.0, 1.0])
def test_where_it_falls_is_said_of_a_cubic_that_is_zero_at_zero_too(c3: float) -> None:
    """Such is a best reply's of a firm whose price would only just cover its cost if it did not
    invest: t (2 - 3 t + t^2) falls at 1, t (2 - 3 t) at 2/3."""
    found = np.concatenate(falling_zero(*np.array([[0.0], [2.0], [-3.0], [c3]])))
    assert np.nanmin(np.abs(found - (1 if c3 else 2 / 3))) < 1e-15
