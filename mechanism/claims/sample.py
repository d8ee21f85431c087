"""The claims at one case, and over a sample of admissible markets with the worst counterexamples.

A claim that fails although its assumption is met is a discovery. It is reported only after
confirmation: the market is solved again alone, with certificates, its levels are refined in
extended precision, and the claim still fails by a margin of the same sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from market.model.case import INVESTMENT, Array, Case, UnitCost, make_case
from market.model.outcome import Outcome, account
from market.model.pricing import bertrand_matrix
from market.model.units import levels_in, natural_units
from market.model.wellposed import required_scale
from market.regimes import (
    REGIMES,
    Regime,
    benefit_matrix,
    level_bounds,
    solve_lanes,
    solve_markets,
    solve_regime,
)
from market.regimes.statics import conditions, curvature
from market.solve.linear import free_system, solve_general
from market.solve.optimum import on_bound
from mechanism.casefile.policy_case import PolicyCase
from mechanism.casefile.types import type_space
from mechanism.claims.claim import Answer, Claim, Finding, answer, finding_of
from mechanism.claims.ground import NEEDED, Ground
from mechanism.claims.propositions import (
    CLAIMS,
    FORCED,
    claims_at,
    contrast_cases,
    without_spillover,
)
from mechanism.scheme.allocation import allocate
from mechanism.scheme.full_information import full_information
from mechanism.scheme.incentives import gains
from mechanism.scheme.reported import assign

REFINEMENTS = 4
"""Newton steps in extended precision; the first already reaches it."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """In how many markets a claim is true, and false."""

    true: int
    """Markets in which it holds."""
    false: int
    """Markets in which it fails."""


@dataclass(frozen=True, kw_only=True)
class Directions:
    """In how many markets a figure rises, and falls."""

    rises: int
    """Markets with a positive derivative."""
    falls: int
    """Markets with a negative one."""


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """The worst counterexample that is confirmed."""

    margin: float | None
    """By how much the claim fails there, in extended precision; None where none of the worst few is
    confirmed."""
    market: Case | None
    """The market, one lane; None where none is confirmed."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """One claim over a sample."""

    claim: Claim
    """What is claimed."""
    met: Count
    """Markets that meet its assumption; what assumes nothing is met everywhere."""
    not_met: Count
    """Markets that do not."""
    not_asked: int
    """Markets in which the question does not arise."""
    signs: Mapping[str, Directions] | None
    """For a statement of ambiguity, the directions of its figures; None for others."""
    worst: Counterexample | None
    """None where the claim never fails with its assumption met."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The claims over random markets."""

    count: int
    """Markets drawn."""
    seed: int
    """Of the draws."""
    solved: Mapping[str, int]
    """By regime, in how many markets it has a solution."""
    claims: tuple[Tally, ...]
    """In the paper's order."""


@dataclass(frozen=True, kw_only=True)
class Propositions:
    """The claims at a case and, if asked, over a sample."""

    policy: PolicyCase
    """The case."""
    claims: tuple[Answer, ...]
    """In the paper's order."""
    sample: Sample | None
    """None where none is asked for."""


def propositions(policy: PolicyCase, sample: int | None = None, seed: int = 0) -> Propositions:
    """The claims at a case and, if asked, over `sample` random markets."""
    ground = ground_of_case(policy)
    answers = [
        answer(claim, finding, ground)
        for claim, finding in zip(CLAIMS, claims_at(ground).values(), strict=True)
    ]
    failing = [told for told in answers if told.holds is False and told.met is True]
    if failing:
        exact = in_extended_precision(ground)
        unconfirmed = {
            told.claim.key for told in failing if finding_of(told.claim, exact).holds[0] != 0
        }
        answers = [_undecided(told) if told.claim.key in unconfirmed else told for told in answers]
    return Propositions(
        policy=policy,
        claims=tuple(answers),
        sample=None if sample is None else sampled(sample, seed),
    )


def _undecided(told: Answer) -> Answer:
    return replace(
        told,
        holds=None,
        detail=f"{told.detail}; the failure is not confirmed in extended precision",
    )


def ground_of_case(policy: PolicyCase) -> Ground:
    """The solved games of one case, every regime with its certificate."""
    case = policy.market.flat()
    outcomes = {key: solve_regime(case, key) for key in NEEDED}
    reference = without_spillover(case)
    return Ground(
        case=case,
        lanes=1,
        levels={key: _levels(outcome) for key, outcome in outcomes.items()},
        without_unit_spillover=(
            None if reference is None else _levels(solve_regime(reference, "nash"))
        ),
        forced={
            (form, s): _levels(solve_regime(market, regime))[:, INVESTMENT]
            for form, market in contrast_cases(case).items()
            for s, regime in FORCED.items()
        },
        mechanism=mechanism_figures(policy, outcomes),
    )


def _levels(outcome: Outcome) -> Array:
    return np.full((1, 4), np.nan) if outcome.levels is None else outcome.levels[None]


def mechanism_figures(policy: PolicyCase, outcomes: dict[str, Outcome]) -> dict[str, Array]:
    """Margins of Appendix B's claims at one case, each with the figures behind it under its key."""
    case, market, optimum = policy.market.flat(), outcomes["nash"], outcomes["social_optimum"]
    out: dict[str, Array] = {}
    if optimum.solved:
        full = full_information(case, optimum, market)
        off = max(abs(full.welfare_gap), float(np.abs(full.net_transfer).max()))
        out["B.full_information"] = np.array([1e-8 * abs(optimum.welfare) - off])
        out["B.full_information.welfare_gap"] = np.array([full.welfare_gap])
        out["B.full_information.net_transfer"] = full.net_transfer[None]
        out["B.full_information.other_equilibria"] = np.array(
            [len(full.regulated.certificate.others)]
        )
        if market.solved:
            gain = full.payoff - market.profit
            out["B.participation"] = np.array(
                [gain.min() + 1e-8 * float(np.abs(full.payoff).max())]
            )
            out["B.participation.gain"] = gain[None]
    if policy.types is not None and optimum.solved:
        types = type_space(policy.types)
        allocation = allocate(case, types.points)
        if allocation.solved:
            # (37) takes back what is paid, whatever is reported.
            assignment = assign(policy.market, types, allocation.levels)
            found = gains(assignment, np.zeros_like(assignment.utility), policy.mechanism.payoff)
            out["B.truthful"] = np.array([1e-7 * found.range - found.bayesian.max()])
            out["B.truthful.largest_gain"] = np.array([found.bayesian.max()])
    return out


# --- a sample


def draw(count: int, rng: np.random.Generator, unit_costs: bool) -> Case:
    """Admissible markets of two equal firms, one lane each; every planner's problem is bounded by
    at least a tenth.

    Uniform draws: intercept 15 to 25, own slope 1 to 2, cross slope up to 0.85 of it, rivalry up to
    0.9, demand spillover 0 to 1 (one in ten -0.5 to 0), leakage cross up to 0.5, interaction up to
    0.3, own up to 4 above their sum, largest saving up to 0.7, cost spillover 0 to 1, cost scale
    1.1 to 4 times what boundedness needs. Unit costs: base 0.1 to 3, spillover up to 0.2 of it per
    unit, slope up to 0.1, curvature up to 0.05.
    """

    def number(low: float, high: float) -> Array:
        return rng.uniform(low, high, (count, 1))

    own_slope, cross, interaction = number(1, 2), number(0, 0.5), number(0, 0.3)
    spillover = np.where(number(0, 1) < 0.1, number(-0.5, 0), number(0, 1))
    case = make_case(
        intercept=number(15, 25),
        own_slope=own_slope,
        cross_slope=own_slope * number(0, 0.85),
        rivalry=number(0, 0.9),
        demand_spillover=spillover,
        leakage=(cross + interaction + number(0.1, 4), cross, interaction),
        cost_scale=np.ones((count, 1)),
        max_saving=number(0, 0.7),
        cost_spillover=number(0, 1),
    )
    planners = [regime for regime in REGIMES.values() if regime.chooser != "firms"]
    needed = np.max(
        [required_scale(case, benefit_matrix(case, regime)) for regime in planners], axis=0
    )
    case = replace(case, cost_scale=needed[:, None] * number(1.1, 4))
    if not unit_costs:
        return case
    base = number(0.1, 3)
    return replace(
        case,
        unit_cost=UnitCost(
            base=base,
            spillover=base * number(0, 0.2),
            slope=number(0, 0.1),
            curvature=number(0, 0.05),
        ),
    )


def ground_of_sample(case: Case, lanes: int) -> Ground:
    """The solved games of many markets at once; optima are searched, equilibria verified by exact
    best replies."""
    simultaneous = [key for key in NEEDED if REGIMES[key].order == "together"]
    levels = {key: solve_lanes(case, REGIMES[key], lanes).levels for key in simultaneous}
    for key in ("sequential", "investment_first"):
        levels[key] = solve_markets(case, key, lanes).levels
    reference = without_spillover(case)
    nash, best = levels["nash"], levels["social_optimum"]
    gain = account(case, best, bertrand_matrix).profit - account(case, nash, bertrand_matrix).profit
    return Ground(
        case=case,
        lanes=lanes,
        levels=levels,
        without_unit_spillover=(
            None if reference is None else solve_lanes(reference, REGIMES["nash"], lanes).levels
        ),
        forced={
            (form, s): solve_lanes(market, regime, lanes).levels[:, INVESTMENT]
            for form, market in contrast_cases(case).items()
            for s, regime in FORCED.items()
        },
        # With equal subsidy and tax a firm's payoff at the optimum is its profit there.
        mechanism={"B.participation": gain.min(-1), "B.participation.gain": gain},
    )


UNIT_COST_SHARE = 4
"""One market in this many has unit costs."""


def sampled(count: int, seed: int) -> Sample:
    """How often each claim is true, with its assumption met and not met, and its worst confirmed
    counterexample."""
    rng = np.random.default_rng(seed)
    sizes = (count - count // UNIT_COST_SHARE, count // UNIT_COST_SHARE)
    grounds = [
        ground_of_sample(draw(size, rng, unit), size)
        for size, unit in zip(sizes, (False, True), strict=True)
        if size
    ]
    return Sample(
        count=count,
        seed=seed,
        solved={
            key: int(sum(np.isfinite(ground.levels[key]).all(-1).sum() for ground in grounds))
            for key in NEEDED
        },
        claims=tuple(tally(claim, grounds) for claim in CLAIMS),
    )


def tally(claim: Claim, grounds: list[Ground]) -> Tally:
    """One claim over the markets of these grounds; what assumes nothing counts as met."""
    findings = [finding_of(claim, ground) for ground in grounds]
    failing = [
        candidate for pair in zip(findings, grounds, strict=True) for candidate in failures(*pair)
    ]
    met = np.concatenate(
        [np.where(np.isnan(finding.met), 1.0, finding.met) for finding in findings]
    )
    holds = np.concatenate([finding.holds for finding in findings])

    def count(assumed: int) -> Count:
        which = met == assumed
        return Count(
            true=int((which & (holds == 1)).sum()), false=int((which & (holds == 0)).sum())
        )

    return Tally(
        claim=claim,
        met=count(1),
        not_met=count(0),
        not_asked=int(np.isnan(holds).sum()),
        signs=signs(findings),
        worst=worst(claim, sorted(failing, key=lambda f: f[0])),
    )


def signs(findings: list[Finding]) -> dict[str, Directions] | None:
    """For a statement of ambiguity: in how many markets each figure rises and falls."""
    asked = [finding for finding in findings if finding.null and finding.numbers]
    if not asked:
        return None
    slopes = {
        name: np.concatenate([f.numbers[name][:, 0] for f in asked]) for name in asked[0].numbers
    }
    return {
        name: Directions(rises=int((slope > 0).sum()), falls=int((slope < 0).sum()))
        for name, slope in slopes.items()
    }


def failures(finding: Finding, ground: Ground) -> list[tuple[float, int, Ground]]:
    """The markets where a claim fails although its assumption is met: margin relative to size, lane
    and ground."""
    met = np.where(np.isnan(finding.met), 1.0, finding.met)
    size = (
        np.maximum(np.broadcast_to(finding.size, finding.judged.shape), 1e-300)
        if np.any(finding.size)
        else 1.0
    )
    relative = finding.judged / size
    return [
        (float(relative[lane]), int(lane), ground)
        for lane in np.flatnonzero((met == 1) & (finding.holds == 0))
    ]


TRIES = 5
"""Counterexamples that are tried for confirmation, the worst first."""


def worst(claim: Claim, failing: list[tuple[float, int, Ground]]) -> Counterexample | None:
    """The worst counterexample that is confirmed; empty where none of the worst few is."""
    if not failing:
        return None
    for _, lane, ground in failing[:TRIES]:
        margin = confirmed(claim, ground, lane)
        if margin is not None:
            return Counterexample(margin=margin, market=ground.case.take([lane]))
    return Counterexample(margin=None, market=None)


def confirmed(claim: Claim, ground: Ground, lane: int) -> float | None:
    """The margin by which a claim fails in one market solved alone, in extended precision; None if
    that does not confirm it."""
    case = ground.case.take([lane])
    reference = without_spillover(case)
    alone = Ground(
        case=case,
        lanes=1,
        levels={key: _levels(solve_regime(case, key)) for key in claim.compares},
        without_unit_spillover=(
            None if reference is None else _levels(solve_regime(reference, "nash"))
        ),
        forced={name: t[[lane]] for name, t in ground.forced.items()},
        mechanism={name: value[[lane]] for name, value in ground.mechanism.items()},
    )
    finding = finding_of(claim, in_extended_precision(alone))
    # A margin that is positive, however small, is none of a counterexample's.
    negligible = 1e-14 * float(np.max(finding.size))
    fails = finding.holds[0] == 0 and finding.met[0] != 0 and finding.judged[0] <= negligible
    return float(finding.margin[0]) if fails else None


def in_extended_precision(ground: Ground) -> Ground:
    """One market's solved games with levels refined in extended precision; those of games in stages
    stay as they are."""
    fine = ground.case.map(lambda a: a.astype(np.longdouble))
    levels: dict[str, Array] = {
        name: (
            refined(fine, REGIMES[name], x)
            if REGIMES[name].order == "together"
            else np.asarray(x, np.longdouble)
        )
        for name, x in ground.levels.items()
    }
    return replace(ground, case=fine, levels=levels)


def refined(case: Case, regime: Regime, x: Array) -> Array:
    """Levels (1, 4) after Newton steps in the case's own precision; what is at a bound stays
    there."""
    if not np.isfinite(x).all():
        return x
    lower, upper = level_bounds(case, 1, regime.sharing_range)
    units = natural_units(case)
    held = np.logical_or(
        *(on_bound(levels_in(x, units), levels_in(bound, units)) for bound in (lower, upper))
    )
    x = x.astype(np.longdouble)
    for _ in range(REFINEMENTS):
        gradient, jacobian = conditions(case, regime, x), curvature(case, regime, x)
        x = x + solve_general(*free_system(-jacobian, gradient, held))
    return x
