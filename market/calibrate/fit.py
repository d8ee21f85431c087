"""The fit: bounded least squares in logarithms on every observation and prior, from the chain.

Each observation is (log observed - log fitted) / noise, each prior (log value - log median) / its
standard deviation, so that the sum of squares is that of a Gaussian model and its curvature at the
fit gives the posterior (Laplace). Today's market is the equilibrium `nash`, solved at every trial
value from the last one's levels; derivatives are exact, by the implicit function theorem with
complex steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from market.calibrate.chain import Chain, chain
from market.calibrate.moments import Today, moment, today_at
from market.calibrate.observed import Data, NoCase, Observation, Prior, WhyNoCase, refuse
from market.calibrate.parameters import NAMES, Layout, case_values, layout, priors_of
from market.model.case import SHARING, Array
from market.regimes import REGIMES, solve_lanes
from market.regimes.statics import STEP, conditions, curvature

TODAY = "nash"
"""The regime that is observed."""
EXACT = 1e-6
"""Relative standard error of what is exact: no observation has fewer digits that matter."""
TOLERANCE = 1e-13
"""Relative change of parameters, and of the sum of squares, at which the fit ends."""
MOST_EVALUATIONS = 300
LOST = 1e-7
"""Share of the largest singular value of the observations' derivatives below which a direction in
the parameters is not seen at all."""
NORMAL_90 = 1.6448536269514722
"""Standard deviations on either side that hold 90 per cent."""
HELD = 1e-12
"""How close to a bound of sharing, or to no investment, a level is held there."""


@dataclass(frozen=True, kw_only=True)
class LeastSquares:
    """One least-squares problem."""

    data: Data
    priors: Mapping[str, Prior]
    """All of them, the usual ones included; by parameter."""
    start: Chain
    layout: Layout
    observations: tuple[Observation, ...]
    """Those whose model value is not held fixed."""

    @property
    def reference(self) -> float:
        """t0."""
        return self.start.reference

    @cached_property
    def noise(self) -> Array:
        """(M,): standard errors of the logarithms."""
        return np.array([max(one.noise, EXACT) for one in self.observations])

    @cached_property
    def observed(self) -> Array:
        """(M,): logarithms."""
        return np.log([one.value for one in self.observations])

    @cached_property
    def believed(self) -> tuple[NDArray[np.intp], Array, Array]:
        """The slots with a prior (K,), its medians' logarithms and standard deviations."""
        rows = [
            (k, np.log(prior.median), prior.log_sd)
            for k, slot in enumerate(self.layout.slots)
            if (prior := self.priors.get(slot.name)) is not None and prior.log_sd is not None
        ]
        where, centre, spread = zip(*rows, strict=True) if rows else ((), (), ())
        return np.array(where, np.intp), np.array(centre, float), np.array(spread, float)

    def today(self, theta: Array, levels: Array) -> Today | None:
        """Today's market at logarithms theta (n,), looked for from levels (4,); None where there is
        none."""
        parameters = self.layout.parameters(theta[None])
        market = parameters.market(self.reference)
        b, x = market.own_slope.min(), market.cross_slope[0, 0]
        leaks = (parameters.leak_switch + parameters.leakage_interaction_share)[0, 0]
        if not (x < b and leaks < 1):
            return None
        regime = REGIMES[TODAY]
        found = solve_lanes(market, regime, 1, starts=levels[None, None])
        if found.status[0] not in ("converged", "corner"):
            found = solve_lanes(market, regime, 1)
        if found.status[0] not in ("converged", "corner"):
            return None
        return today_at(parameters, self.reference, found.levels)

    def logs(self, at: Today, asked: Sequence[tuple[str, int | None]]) -> Array:
        """Logarithms (L, A) of observables."""
        return np.log(np.stack([moment(at, kind, firm) for kind, firm in asked], -1))

    @cached_property
    def asked(self) -> tuple[tuple[str, int | None], ...]:
        """What is observed."""
        return tuple((one.kind, one.firm) for one in self.observations)

    def moved(self, theta: Array, at: Today) -> Today:
        """Today's market with an imaginary step in every parameter, one a lane, and what levels
        make of it."""
        n = len(theta)
        stepped = theta + 1j * STEP * np.eye(n)
        parameters = self.layout.parameters(stepped)
        x, regime = at.levels.astype(complex), REGIMES[TODAY]
        force = conditions(parameters.market(self.reference), regime, np.repeat(x, n, 0))
        jacobian = curvature(at.market, regime, at.levels)[0]
        low, high = np.zeros(4), np.array([1.0, 1.0, np.inf, np.inf])
        free = (at.levels[0] > low + HELD) & (at.levels[0] < high - HELD)
        change = np.zeros((n, 4))
        change[:, free] = -np.linalg.solve(jacobian[np.ix_(free, free)], force.imag[:, free].T).T
        return today_at(parameters, self.reference, x + 1j * change)

    def residuals(self, theta: Array, at: Today) -> Array:
        """(M + K,): observations, then priors."""
        where, centre, spread = self.believed
        fitted = self.logs(at, self.asked)[0]
        return np.concatenate(
            [(fitted - self.observed) / self.noise, (theta[where] - centre) / spread]
        )

    def jacobian(self, theta: Array, at: Today) -> Array:
        """(M + K, n)."""
        where, _, spread = self.believed
        seen = self.derivatives(theta, at, self.asked) / self.noise[:, None]
        beliefs = np.zeros((len(where), len(theta)))
        beliefs[np.arange(len(where)), where] = 1 / spread
        return np.vstack([seen, beliefs])

    def derivatives(
        self, theta: Array, at: Today, asked: Sequence[tuple[str, int | None]]
    ) -> Array:
        """(A, n): how logarithms of observables move with the parameters' logarithms."""
        return np.asarray(self.logs(self.moved(theta, at), asked).imag.T / STEP)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One observation beside the fit."""

    key: str
    observed: float
    fitted: float
    residual: float
    """log fitted less log observed, in standard errors."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A market fitted to observations, and what they leave open."""

    problem: LeastSquares
    theta: Array
    """(n,): logarithms of the free parameters."""
    today: Today
    """Today's market there, in net prices."""
    jacobian: Array
    """(M + K, n) of the weighted residuals."""
    moments: tuple[Moment, ...]
    statistic: float
    """The sum of squares."""
    evaluations: int

    @property
    def degrees(self) -> int:
        """How many observations and priors there are beyond the parameters."""
        return self.jacobian.shape[0] - self.jacobian.shape[1]

    @property
    def p_value(self) -> float | None:
        """How often data as far from the model arise if it is right; None without degrees of
        freedom."""
        if self.degrees <= 0:
            return None
        from scipy.special import chdtrc

        return float(chdtrc(self.degrees, self.statistic))

    @cached_property
    def covariance(self) -> Array:
        """(n, n): of the logarithms, by the curvature at the fit."""
        _, sizes, directions = np.linalg.svd(self.jacobian, full_matrices=False)
        return np.asarray((directions.T / sizes**2) @ directions)

    @cached_property
    def _sizes(self) -> Array:
        """Singular values of the observations' derivatives in standard errors."""
        count = len(self.problem.observations)
        return np.asarray(np.linalg.svd(self.jacobian[:count], compute_uv=False))

    @property
    def rank(self) -> int:
        """How many directions of the parameters the observations tell anything about."""
        return int((self._sizes > LOST * self._sizes.max()).sum())

    @property
    def condition(self) -> float:
        """How many times better the best direction is told than the worst of those."""
        return float(self._sizes[0] / self._sizes[self.rank - 1])

    @cached_property
    def prior_covariance(self) -> Array:
        """(n, n): the part of the covariance that comes from priors; the rest is noise."""
        where, _, spread = self.problem.believed
        part = self.covariance[:, where] / spread
        return np.asarray(part @ part.T)

    @cached_property
    def case_values(self) -> dict[str, float]:
        """The values of the case file, by dotted key."""
        return {key: float(value[0]) for key, value in self._valued(self.today).items()}

    @cached_property
    def case_derivatives(self) -> Array:
        """(keys, n): how logarithms of the values of the case file, none of them zero, move with
        those of the parameters."""
        moved = self._valued(self.problem.moved(self.theta, self.today))
        return np.stack(
            [np.log(moved[key]).imag / STEP for key, value in self.case_values.items() if value]
        )

    @cached_property
    def case_covariance(self) -> Array:
        """(keys, keys): of the logarithms of the case file's values, none of them zero."""
        change = self.case_derivatives
        return np.asarray(change @ self.covariance @ change.T)

    @cached_property
    def case_prior_shares(self) -> Array:
        """(keys,): the part of each variance that comes from priors; 0 of what does not vary."""
        change = self.case_derivatives
        prior = ((change @ self.prior_covariance) * change).sum(-1)
        whole = np.diag(self.case_covariance)
        return np.divide(prior, whole, out=np.zeros_like(prior), where=whole > 0)

    @cached_property
    def influence(self) -> Array:
        """(keys, M + K): per cent by which a value of the case file, none of them zero, changes
        where an observation, or the median of a prior, rises by one per cent."""
        spread = np.concatenate([self.problem.noise, self.problem.believed[2]])
        return np.asarray(self.case_derivatives @ self.covariance @ self.jacobian.T / spread)

    @property
    def influences(self) -> tuple[str, ...]:
        """What these observations and priors are called."""
        where = self.problem.believed[0]
        slots = self.problem.layout.slots
        return (
            *(one.key for one in self.problem.observations),
            *(f"priors.{slots[k].key}" for k in where),
        )

    def _valued(self, at: Today) -> dict[str, Array]:
        return case_values(at.parameters, at.market, at.books, self.problem.layout.width)

    def bootstrap(self, draws: int, seed: int) -> Array:
        """(draws, keys): values of the case file, none of them zero, fitted to data drawn anew from
        the fit with their noise and to priors drawn around the fit; NaN where a draw cannot be
        fitted."""
        generator = np.random.default_rng(seed)
        kept = [key for key, value in self.case_values.items() if value]
        out = np.full((draws, len(kept)), np.nan)
        for row in out:
            try:
                found = solve(self._drawn(generator)).case_values
            except NoCase:
                continue
            row[:] = [found[key] for key in kept]
        return out

    def _drawn(self, generator: np.random.Generator) -> LeastSquares:
        problem = self.problem
        where, _, spread = problem.believed
        noise = generator.normal(size=len(problem.noise)) * problem.noise
        shift = generator.normal(size=len(where)) * spread
        fitted = problem.logs(self.today, problem.asked)[0]
        drawn = LeastSquares(
            data=problem.data,
            priors=problem.priors,
            start=problem.start,
            layout=Layout(
                slots=problem.layout.slots,
                fixed={name: getattr(self.today.parameters, name)[0] for name in NAMES},
            ),
            observations=problem.observations,
        )
        # in place of what would be worked out from the data
        vars(drawn).update(
            observed=fitted + noise, believed=(where, self.theta[where] + shift, spread)
        )
        return drawn


def pose(data: Data) -> LeastSquares:
    """The least-squares problem of these data, with its start.

    Raises:
        NoCase: The chain finds no market, with the reason.
    """
    start = chain(data, priors_of(data))
    priors = start.priors
    free = layout(start.parameters, priors)
    slots = {(slot.name, slot.firm) for slot in free.slots}
    margins = {firm for name, firm in slots if name == "margin"}
    observations = tuple(
        one
        for one in data.observations
        if not (one.kind in ("margin", "unit_cost") and one.firm not in margins)
    )
    return LeastSquares(
        data=data, priors=priors, start=start, layout=free, observations=observations
    )


def solve(problem: LeastSquares) -> Fit:
    """The fit of a problem.

    Raises:
        NoCase: There is no equilibrium at the start, or no fit was reached.
    """
    from scipy.optimize import least_squares

    theta = problem.layout.vector()
    # The start may lie on a bound; the fit begins beside it.
    upper = problem.layout.upper()
    theta = np.minimum(theta, upper - 1e-10)
    first = problem.today(theta, problem.start.levels)
    if first is None:
        if (above := above_one(problem.layout.fixed, problem.start.levels)) is not None:
            raise NoCase(above)
        raise refuse(
            "no_equilibrium",
            "the parameters that the observations imply one after the other have no equilibrium to"
            " start from: what is observed is no market of this model; check margins, diversion and"
            " security spending",
        )
    known: dict[bytes, Today | None] = {theta.tobytes(): first}
    last = [first.levels[0]]

    def at(point: Array) -> Today | None:
        key = point.tobytes()
        if key not in known:
            if len(known) > 8:
                known.clear()
            found = problem.today(point, last[0])
            known[key] = found
            if found is not None:
                last[0] = found.levels[0]
        return known[key]

    count = len(problem.observations) + len(problem.believed[0])

    def residuals(point: Array) -> Array:
        found = at(point)
        # where there is no market the step is shortened
        return np.full(count, np.nan) if found is None else problem.residuals(point, found)

    def jacobian(point: Array) -> Array:
        found = at(point)
        assert found is not None
        return problem.jacobian(point, found)

    if count < len(theta):
        _unpinned(problem, problem.jacobian(theta, first))
    with np.errstate(invalid="ignore", over="ignore"):
        done = least_squares(
            residuals,
            theta,
            jac=jacobian,
            bounds=(np.full(len(theta), -np.inf), upper),
            xtol=TOLERANCE,
            ftol=TOLERANCE,
            gtol=TOLERANCE,
            x_scale=1.0,
            max_nfev=MOST_EVALUATIONS,
        )
    found = at(done.x)
    if found is None or not done.success:
        raise refuse(
            "no_fit",
            f"the fit did not come to an end within {MOST_EVALUATIONS} trials; give tighter priors"
            " or more observations",
            evaluations=float(done.nfev),
        )
    J = problem.jacobian(done.x, found)
    _unpinned(problem, J)
    fitted = problem.logs(found, problem.asked)[0]
    return Fit(
        problem=problem,
        theta=done.x,
        today=found,
        jacobian=J,
        moments=tuple(
            Moment(
                key=one.key,
                observed=one.value,
                fitted=float(np.exp(value)),
                residual=float((value - np.log(one.value)) / noise),
            )
            for one, value, noise in zip(problem.observations, fitted, problem.noise, strict=True)
        ),
        statistic=float(2 * done.cost),
        evaluations=int(done.nfev),
    )


def above_one(parameters: Mapping[str, Array], levels: Array) -> WhyNoCase | None:
    """The verdict on data that imply a demand spillover above 1; None where they do not."""
    spill = float(parameters.get("demand_spillover", np.zeros(1)).max())
    if spill <= 1:
        return None
    first, second = levels[SHARING]
    return WhyNoCase(
        code="spillover_above_one",
        reason=(
            f"the demand spillover would have to be {spill:.3g}: customers would value what the"
            " other firm shares more than what it invests for its own. The strategic motive, the"
            f" rival's higher price, cannot explain sharing of {first:.3g} and {second:.3g} at such"
            " leaks: leaks cost less or sharing is less than observed, or firms share for reasons"
            " that are not in the model"
        ),
        numbers={"demand_spillover": spill},
    )


UNPINNED = 1e-10
"""Share of the largest singular value of all derivatives below which nothing pins a direction."""


def _unpinned(problem: LeastSquares, jacobian: Array) -> None:
    """Refuse what neither observations nor priors pin, with the parameters in question."""
    _, sizes, directions = np.linalg.svd(jacobian)
    sizes = np.concatenate([sizes, np.zeros(len(directions) - len(sizes))])
    loose = sizes <= UNPINNED * sizes.max()
    if not loose.any():
        return
    moved = np.abs(directions[loose]).max(0)
    names = dict.fromkeys(
        slot.name for slot, size in zip(problem.layout.slots, moved, strict=True) if size > 0.1
    )
    raise refuse(
        "not_identified",
        f"neither observations nor priors pin {', '.join(names)}; give one of them a prior, or"
        " observe more",
        directions=float(loose.sum()),
    )


def fit(data: Data) -> Fit:
    """The market fitted to these data.

    Raises:
        NoCase: They fit no market of the model, with the reason.
    """
    return solve(pose(data))
