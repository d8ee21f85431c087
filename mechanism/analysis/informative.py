"""How sure the gain of the recommended policy is, what it turns on, and which further observation
would narrow it most.

The gain is the policy's value over today's market; its logarithm moves with those of the parameters
by a gradient g, so that its variance is g' V g at the posterior covariance V. An observation whose
logarithm moves by h and is known up to sigma leaves (V^-1 + h h' / sigma^2)^-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from market.calibrate.fit import NORMAL_90, Fit
from market.calibrate.moments import OBSERVABLES
from market.calibrate.observed import USUAL_NOISE
from market.calibrate.parameters import Parameters
from market.casefile.faults import BadCase
from market.model.case import Array
from market.text import Json
from mechanism.analysis.many import solve_many
from mechanism.casefile.policies import GOAL, TODAY, followed
from mechanism.casefile.policy_case import PolicyCase, parse_tree

STEP = 2e-3
"""Of the central differences in the logarithm of a parameter."""
LEAST = 1e-9
"""Share of today's value below which a gain is none."""
SAYS_THE_SAME = ("unit_cost", "cross_elasticity")
"""Observables that others stand for: margin and diversion."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the gain turns on."""

    key: str
    """A parameter, as `own_slope[0]`."""
    elasticity: float
    """Per cent by which the gain changes where the parameter rises by one per cent, net intercepts
    unchanged."""


@dataclass(frozen=True, kw_only=True)
class Informative:
    """A further observation, or a firmer belief."""

    key: str
    """What is observed, of both firms where each has its own; `priors.max_saving` is a belief whose
    standard deviation is halved."""
    gain: float
    """Share by which it narrows the standard deviation of the logarithm of the policy's gain."""
    observed: bool
    """Whether it is observed already: a second, independent observation is then meant."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Where the uncertainty of the gain comes from."""

    key: str
    """An observation, or a prior."""
    share: float
    """Of the variance of the gain's logarithm; all of them add up to 1."""


@dataclass(frozen=True, kw_only=True)
class GainAtStake:
    """The gain of a policy over today's market."""

    policy: str
    recommended: bool
    """Whether it is what `evaluate` recommends at the fit; if not it is the planner's."""
    value: float
    """Money."""
    low: float
    high: float
    """The ends of its 90 per cent interval."""
    log_sd: float
    turns: tuple[Turn, ...]
    """What it turns on, the most first."""
    parts: tuple[Part, ...]
    """Where its variance comes from, the most first."""
    informative: tuple[Informative, ...]
    """What would narrow it, the most first."""


def gain_at_stake(fit: Fit, policy: str | None = None) -> GainAtStake | None:
    """How sure the gain of a policy is, by default of the recommended one or, where that is to
    leave the market as it is, of the planner's; None where nothing can be gained or ranked."""
    theta, n = fit.theta, len(fit.theta)
    base = _case(fit, theta)
    if base is None:
        return None
    best = str(solve_many([base], followed(private=False))["best"][0])
    chosen = policy or (best if best not in ("", TODAY) else GOAL)
    points = [theta, *(theta + s * STEP * e for e in np.eye(n) for s in (-1, 1))]
    gains = _gains([_case(fit, point) for point in points], chosen)
    value = gains[0]
    if not value > 0:
        return None
    down, up = gains[1::2], gains[2::2]
    # at an edge of what is admissible, the side that is there
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(up - down) / 2, up - value, value - down]) / STEP / value
    first = np.isfinite(sides).argmax(0)
    gradient = np.nan_to_num(sides[first, np.arange(n)])
    sd = float(np.sqrt(gradient @ fit.covariance @ gradient))
    turns = sorted(
        (
            Turn(key=slot.key, elasticity=float(g))
            for slot, g in zip(fit.problem.layout.slots, gradient, strict=True)
        ),
        key=lambda turn: -abs(turn.elasticity),
    )
    return GainAtStake(
        policy=chosen,
        recommended=chosen == best,
        value=float(value),
        low=float(value * np.exp(-NORMAL_90 * sd)),
        high=float(value * np.exp(NORMAL_90 * sd)),
        log_sd=sd,
        turns=tuple(turns),
        parts=_parts(fit, gradient, sd),
        informative=_informative(fit, gradient, sd),
    )


def _parts(fit: Fit, gradient: Array, sd: float) -> tuple[Part, ...]:
    """By V = V J' J V: what every weighted residual adds to the variance."""
    added = (gradient @ fit.covariance @ fit.jacobian.T) ** 2 / max(sd, 1e-300) ** 2
    parts = [
        Part(key=key, share=float(share)) for key, share in zip(fit.influences, added, strict=True)
    ]
    return tuple(sorted(parts, key=lambda part: -part.share))


def _informative(fit: Fit, gradient: Array, sd: float) -> tuple[Informative, ...]:
    problem, out = fit.problem, []
    noise = problem.data.usual_noise or USUAL_NOISE  # where the others are exact
    wanted = [
        (row.key, firm)
        for row in OBSERVABLES.values()
        if row.key not in SAYS_THE_SAME
        for firm in ((0, 1) if row.per_firm else (None,))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = problem.derivatives(fit.theta, fit.today, wanted)
    rows = np.where(np.isfinite(rows), rows, 0.0)  # of what is nothing: nothing is saved, say

    def narrowed(H: Array, variance: Array) -> float:
        # Sherman, Morrison and Woodbury: no inverse of what may be nearly singular
        VH = fit.covariance @ H.T
        left = fit.covariance - VH @ np.linalg.solve(np.diag(variance) + H @ VH, VH.T)
        after = np.sqrt(max(0.0, float(gradient @ left @ gradient)))
        return float(1 - after / sd) if sd else 0.0

    for key in dict.fromkeys(key for key, _ in wanted):
        H = rows[[k for k, (other, _) in enumerate(wanted) if other == key]]
        told = {"margin": "unit_cost", "diversion": "cross_elasticity"}.get(key, key)
        data = problem.data
        out.append(
            Informative(
                key=key,
                gain=narrowed(H, np.full(len(H), noise**2)),
                observed=data.has(key) or data.has(told),
            )
        )
    where, _, spread = problem.believed
    names = [problem.layout.slots[k].name for k in where]
    for name in dict.fromkeys(names):
        rows_of = [n for n, other in enumerate(names) if other == name]
        # half the standard deviation is four times the precision: three times is added
        H = np.eye(len(fit.theta))[where[rows_of]]
        gain = narrowed(H, spread[rows_of] ** 2 / 3)
        out.append(Informative(key=f"priors.{name}", gain=gain, observed=False))
    return tuple(sorted(out, key=lambda one: -one.gain))


def _gains(cases: Sequence[PolicyCase | None], policy: str) -> Array:
    """The policy's value over today's at every case; NaN where there is none."""
    there = [case for case in cases if case is not None]
    value = solve_many(there, [TODAY, policy])["value"].reshape(-1, 2)
    out = np.full(len(cases), np.nan)
    gain = value[:, 1] - value[:, 0]
    out[[k for k, case in enumerate(cases) if case is not None]] = np.where(
        gain > LEAST * np.abs(value[:, 0]), gain, np.nan
    )
    return out


def _case(fit: Fit, theta: Array) -> PolicyCase | None:
    """The case in net prices at these logarithms (n,), whose gains are those of the case with unit
    costs; None where it is not admissible."""
    parameters = fit.problem.layout.parameters(theta[None])
    try:
        return parse_tree(_net_tree(parameters, fit.problem.reference))
    except BadCase:
        return None


def _net_tree(parameters: Parameters, reference: float) -> Json:
    market = parameters.market(reference)

    def one(values: Array) -> float | list[float]:
        listed = [float(value) for value in values[0]]
        return listed if len(listed) > 1 else listed[0]

    return {
        "demand": {
            "intercept": one(market.intercept),
            "own_slope": one(market.own_slope),
            "cross_slope": float(market.cross_slope[0, 0]),
        },
        "security": {
            "rivalry": one(market.rivalry),
            "demand_spillover": one(market.demand_spillover),
            "leakage": {
                "own": one(market.leakage_own),
                "cross": one(market.leakage_cross),
                "interaction": one(market.leakage_interaction),
            },
        },
        "cost": {
            "scale": one(market.cost_scale),
            "max_saving": one(market.max_saving),
            "spillover": one(market.cost_spillover),
            "reference_investment": reference,
        },
    }
