"""From data to a case: the fit, what each interval owes to data and to priors, the case it makes,
and which further observation would narrow the recommendation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from market.calibrate.datafile import read_data
from market.calibrate.fit import NORMAL_90, Fit, Moment, above_one, pose, solve
from market.calibrate.observed import Data, NoCase, Prior, WhyNoCase
from market.calibrate.parameters import priors_of
from market.casefile.faults import BadCase
from market.model.case import Array
from market.regimes import REGIMES, solve_regime
from mechanism.analysis.calibrated_case import (
    CERTAIN,
    case_text,
    case_tree,
    near_nothing,
    usual_priors,
)
from mechanism.analysis.evaluation import evaluate
from mechanism.analysis.informative import GainAtStake, gain_at_stake
from mechanism.casefile.policies import TODAY
from mechanism.casefile.policy_case import PolicyCase, parse_tree
from mechanism.casefile.proportions import misfits
from mechanism.frozen import freeze
from mechanism.report.words import Sentence

MOSTLY = 0.8
"""Share of a variance from which on an interval is said to come from one source."""
CONTRADICT = 0.01
"""Probability of data as far from the model below which observations are said to contradict each
other."""
WEAK = 1e3
"""Condition beyond which a direction is hardly told by the data."""
REPRODUCED = 1e-6
"""Relative difference up to which today's market is the one that was fitted."""
SHARES = {"security.rivalry": 1.0, "cost.max_saving": 1.0, "cost.spillover": 1.0}
"""Values that cannot exceed this, by key."""
BOOTSTRAP = (20, 2000)
"""Fewest and most draws of a bootstrap."""


@dataclass(frozen=True, kw_only=True)
class Influence:
    """What an estimate rests on."""

    key: str
    """An observation, `firms[0].price`, or a prior, `priors.max_saving`."""
    elasticity: float
    """Per cent by which the estimate changes where that rises by one per cent."""


@dataclass(frozen=True, kw_only=True)
class CalibratedValue:
    """One value of the case."""

    key: str
    """Dotted, as in the case file."""
    value: float
    low: float
    high: float
    """The ends of its 90 per cent interval."""
    source: str
    """`data`, `prior` or `both`: where its interval comes from."""
    prior_share: float
    """The part of the variance of its logarithm that priors account for, 0 to 1."""
    influences: tuple[Influence, ...]
    """What moves it, the most first."""

    @property
    def certain(self) -> bool:
        """Whether nothing is left open."""
        return self.low == self.high

    @property
    def why_certain(self) -> str:
        """Why, in words."""
        if self.source == "prior":
            return "held fixed, see Assumed"
        return "nothing: a unit costs nothing" if not self.value else "told exactly"


@dataclass(frozen=True, kw_only=True)
class Goodness:
    """How well the observations are met, and how much they tell."""

    moments: tuple[Moment, ...]
    """Every observation beside the fit."""
    priors: Mapping[str, Prior]
    """What was believed of parameters, the program's own beliefs included."""
    statistic: float
    """The sum of squares of observations and priors, each in its standard errors."""
    degrees: int
    """How many of them there are beyond the parameters."""
    p_value: float | None
    """How often a sum as large arises if the model is right; None without degrees of freedom."""
    parameters: int
    """How many numbers were fitted."""
    rank: int
    """How many directions in them the observations tell anything about."""
    condition: float
    """How many times better the best of these is told than the worst."""
    evaluations: int
    """Trials of the fit."""
    implied_spillover: tuple[float | None, float | None]
    """The demand spillover that either firm's sharing implies by itself, where the fit starts; None
    where a firm tells none."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """What observations say of a market."""

    data: Data
    """What was observed and assumed."""
    fit: Goodness | None
    """How well it fits; None where the chain finds no market."""
    case: PolicyCase | None
    """The case; None where the data are refused."""
    case_file: str | None
    """The text of its file, with comments."""
    estimates: tuple[CalibratedValue, ...]
    """Every value of the case; empty where there is no fit."""
    stake: GainAtStake | None
    """How sure the gain of the recommended policy is; None where there is none to be had."""
    refused: WhyNoCase | None
    """Why there is no case; None where there is one."""
    warnings: tuple[Sentence, ...]
    """What limits it."""
    asked: tuple[tuple[str, Any], ...] = ()
    """The options it was asked with, as the command has them."""
    seed: int | None = None
    """Of what is drawn; None where nothing is."""

    def to_json(self, indent: int | None = 2) -> str:
        """What `pigou calibrate --format json` writes."""
        from mechanism.analysis.calibration_tree import calibration_tree

        return json.dumps(calibration_tree(self), indent=indent, allow_nan=False)

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.data.name}: refused, {self.refused.reason}"
        lines = [
            f"- {one.key}: {one.value:.5g} ({one.low:.4g} to {one.high:.4g}), from {one.source}"
            for one in self.estimates
        ]
        return "\n".join([f"{self.data.name}: calibrated", *lines])


def calibrate(
    data: str | Path | Data,
    *,
    common: Iterable[str] = (),
    priors: Iterable[str] = (),
    noise: Iterable[str] = (),
    per_firm: Iterable[str] | None = None,
    name: str | None = None,
    units: Iterable[str] = (),
    bootstrap: int = 0,
    seed: int = 0,
) -> Calibration:
    """A case from what is observed of a market of two rivals.

    Args:
        data: A data file (YAML, JSON, TOML, or CSV with a row per firm), or what was read from one.
        common: `KEY=VALUE` of what is observed of both firms, over what the file says.
        priors: `KEY=VALUE`: a number, held fixed, or `{median: .., log_sd: ..}`.
        noise: `KEY=VALUE`, relative standard errors of observations; `default=0.02` of all others.
        per_firm: The parameters of which each firm has its own, such as `["own_slope"]`; an empty
            list makes the slopes symmetric. None: as the file says.
        name: What the market is called, over what the file says.
        units: `money=...` and `quantity=...`, over what the file says.
        bootstrap: Fits to data drawn anew from which intervals are taken, 20 to 2,000; 0: intervals
            from the curvature at the fit.
        seed: Of these draws.

    Returns:
        The case, its file as text, and how sure every value is. Where the data fit no market
        `refused` says why, and there is no case.

    Raises:
        BadCase: The file is bad, with every fault, its place and what is admissible.
        ValueError: So many draws are not taken.

    Example:
        >>> import pigou
        >>> found = pigou.calibrate("data/two_vendors_2025.yaml")
        >>> round(found.case.market.demand_spillover.item(), 3)
        0.5
    """
    if bootstrap and not BOOTSTRAP[0] <= bootstrap <= BOOTSTRAP[1]:
        raise ValueError(f"bootstrap is {bootstrap}; take {BOOTSTRAP[0]} to {BOOTSTRAP[1]:,} draws")
    common, priors, noise, units = tuple(common), tuple(priors), tuple(noise), tuple(units)
    firms_own = None if per_firm is None else tuple(per_firm)
    asked: list[tuple[str, Any]] = [("--common", one) for one in common] + [
        ("--prior", one) for one in priors
    ]
    asked += [("--noise", one) for one in noise]
    asked += [("--unit", one) for one in units]
    asked += [("--name", name)] if name is not None else []
    asked += [("--symmetric", None)] if firms_own == () else []
    asked += [("--per-firm", one) for one in firms_own or ()]
    asked += [("--bootstrap", bootstrap)] if bootstrap else []
    given = (
        data
        if isinstance(data, Data)
        else read_data(
            data,
            common=common,
            priors=priors,
            noise=noise,
            per_firm=firms_own,
            name=name,
            units=units,
        )
    )
    found = _calibrated(given, bootstrap, seed)
    return replace(found, asked=tuple(asked), seed=seed if bootstrap else None)


def _calibrated(given: Data, bootstrap: int, seed: int) -> Calibration:
    """A case from data."""
    try:
        fit = solve(pose(given))
    except NoCase as refused:
        return _refused(given, refused.refusal)
    found = estimates(fit, _spread(fit, bootstrap, seed))
    above = above_one(vars(fit.today.parameters), fit.today.levels[0])
    if above is not None:
        return _refused(given, above, fit, found)
    tree = case_tree(fit, given.name)
    try:
        case = parse_tree(tree, name=given.name)
    except BadCase as bad:
        why = WhyNoCase(
            code="not_admissible",
            reason=f"what the data imply is no case: {bad.faults[0]}",
            numbers={one.key: one.value for one in found},
        )
        return _refused(given, why, fit, found)
    stake = gain_at_stake(fit)
    return Calibration(
        data=given,
        fit=goodness(fit),
        case=case,
        case_file=case_text(fit, tree, found),
        estimates=found,
        stake=stake,
        refused=None,
        warnings=tuple(_warnings(fit, case, stake)),
    )


def goodness(fit: Fit) -> Goodness:
    """How well a fit meets its observations."""
    implied = fit.problem.start.implied_spillover
    return Goodness(
        moments=fit.moments,
        priors=dict(fit.problem.priors),
        statistic=fit.statistic,
        degrees=fit.degrees,
        p_value=fit.p_value,
        parameters=len(fit.theta),
        rank=fit.rank,
        condition=fit.condition,
        evaluations=fit.evaluations,
        implied_spillover=(_told(implied[0]), _told(implied[1])),
    )


def _told(value: float) -> float | None:
    return None if np.isnan(value) else value


def estimates(fit: Fit, spread: Array | None = None) -> tuple[CalibratedValue, ...]:
    """Every value of the case with its interval; `spread` (2, keys) are the ends of intervals of
    the values that are not zero, by default those of the curvature."""
    names = fit.influences
    held = {key for key, prior in fit.problem.priors.items() if prior.log_sd is None}
    sd = np.sqrt(np.diag(fit.case_covariance))
    out, k = [], 0
    for key, value in fit.case_values.items():
        bare = key.partition("[")[0]
        if not value or sd[k] <= CERTAIN:
            fixed = bool(held) and bare != "unit_cost.base"
            out.append(
                CalibratedValue(
                    key=key,
                    value=value,
                    low=value,
                    high=value,
                    source="prior" if fixed else "data",
                    prior_share=float(fixed),
                    influences=(),
                )
            )
            k += bool(value)
            continue
        share = float(fit.case_prior_shares[k])
        low, high = interval(key, value, float(sd[k])) if spread is None else spread[:, k].tolist()
        moved = sorted(
            zip(names, fit.influence[k].tolist(), strict=True), key=lambda pair: -abs(pair[1])
        )
        out.append(
            CalibratedValue(
                key=key,
                value=value,
                low=float(low),
                high=float(min(high, SHARES.get(bare, np.inf))),
                source="prior" if share > MOSTLY else "data" if share < 1 - MOSTLY else "both",
                prior_share=min(1.0, max(0.0, share)),
                influences=tuple(Influence(key=name, elasticity=e) for name, e in moved),
            )
        )
        k += 1
    return tuple(out)


FARTHEST = 300.0
"""Logarithm beyond which an end of an interval is not told."""


def interval(key: str, value: float, sd: float) -> tuple[float, float]:
    """The 90 per cent interval of a value whose logarithm has this standard deviation."""
    if near_nothing(key, sd):
        return max(0.0, value * (1 - NORMAL_90 * sd)), value * (1 + NORMAL_90 * sd)
    apart = np.exp(min(NORMAL_90 * sd, FARTHEST))
    return float(value / apart), float(value * apart)


def _spread(fit: Fit, draws: int, seed: int) -> Array | None:
    """The ends (2, keys) of bootstrap intervals; None where none are asked."""
    if not draws:
        return None
    drawn = fit.bootstrap(draws, seed)
    return np.nanquantile(drawn, [0.05, 0.95], axis=0)


def _refused(
    data: Data, why: WhyNoCase, fit: Fit | None = None, found: Sequence[CalibratedValue] = ()
) -> Calibration:
    return Calibration(
        data=data,
        fit=None if fit is None else goodness(fit),
        case=None,
        case_file=None,
        estimates=tuple(found),
        stake=None,
        refused=why,
        warnings=(),
    )


def _warnings(fit: Fit, case: PolicyCase, stake: GainAtStake | None) -> Iterable[Sentence]:
    data = fit.problem.data
    if usual := usual_priors(data, list(fit.problem.priors)):
        yield Sentence(
            code="usual_priors",
            text=(
                f"nothing observed tells {', '.join(usual)}: what the program believes of them"
                " stands in the case; give observations or priors of your own"
            ),
        )
    usual_leaks, leaks = (one.get("leakage_own") for one in (priors_of(data), fit.problem.priors))
    if leaks is not None and leaks != usual_leaks:
        yield Sentence(
            code="leaks_assumed_small",
            text=(
                f"nothing is known of leaks: own leakage is assumed to be about {leaks.median:.3g}"
                " units of quantity, no more than the sharing observed can be explained with; give"
                " leak_churn"
            ),
        )
    if fit.p_value is not None and fit.p_value < CONTRADICT:
        worst = sorted(fit.moments, key=lambda one: -abs(one.residual))[:2]
        told = " and ".join(
            f"{one.key} (observed {one.observed:.4g}, fitted {one.fitted:.4g})" for one in worst
        )
        yield Sentence(
            code="observations_contradict",
            text=(
                f"data as far from the model arise with probability {fit.p_value:.1g} if it is"
                f" right: most of it is {told}; check them, or let more parameters differ between"
                " the firms (per_firm)"
            ),
        )
    if fit.condition > WEAK:
        yield Sentence(
            code="weakly_identified",
            text=(
                f"the observations tell the best direction {fit.condition:.0f} times better than"
                f" the worst of {fit.rank}, which they hardly tell at all: see how much of each"
                " value comes from its prior"
            ),
        )
    if stake is None:
        yield Sentence(code="nothing_at_stake", text=_nothing_at_stake(case))
    yield from _today(fit, case)
    for one in misfits(case.market, case.resolved):
        yield Sentence(code="units_look_wrong", text=f"units look wrong: {one.text}")


def _nothing_at_stake(case: PolicyCase) -> str:
    """Why no gain is told."""
    told = evaluate(case).recommendation
    if told is None or told.policy is not None:
        return "at these values nothing brings more than today's market"
    return f"at these values there is no advice and no gain to tell: {told.no_advice}"


def _today(fit: Fit, case: PolicyCase) -> Iterable[Sentence]:
    """Whether `evaluate` finds the market that was fitted as today's."""
    outcome = solve_regime(case.market, REGIMES[TODAY])
    levels = fit.today.levels[0]
    if outcome.levels is None:
        yield Sentence(
            code="not_todays_market", text=f"today's market is {outcome.status}: {outcome.message}"
        )
    elif np.abs(outcome.levels - levels).max() > REPRODUCED * max(1.0, np.abs(levels).max()):
        yield Sentence(
            code="not_todays_market",
            text=(
                "the market has another equilibrium, in which the firms together earn more; it is"
                " taken for today's, and is not the one observed"
            ),
        )
