"""The table of regimes: who chooses what, at which prices, and everything else that is true of one.

A regime is data: the price rule, the choosers (each with a payoff and the levels it controls) and
whether sharing is allowed. One chooser makes an optimisation, whose optimum must be global; two
make a game, whose equilibria must survive global deviations. Nothing outside a regime's row names
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.cost import form_of
from market.model.pricing import (
    PriceRule,
    bertrand_matrix,
    collusive_matrix,
    marginal_cost_matrix,
    revenue_matrices,
    sold_matrix,
    utility_matrix,
)
from market.model.reply import replies_feed_each_other, reply_bound
from market.model.sharing import steepness
from market.model.units import in_units, natural_units
from market.model.wellposed import (
    dearer_at_will,
    explain_unbounded,
    relative_scale,
    required_scale,
)

Role = Literal["market", "alliance", "order", "benchmark"]
"""What a regime is for whoever compares: how firms act by themselves, what they may agree on, what
may be ordered, or what could be had at best but is nobody's to choose."""

Requirement = Literal["nothing", "permission", "order"]
"""What it takes to bring a regime about, from least to most."""


@dataclass(frozen=True, kw_only=True)
class Regime:
    """One way to organise the market."""

    key: str
    """Name in results and commands."""
    chooser: Literal["firms", "alliance", "planner"]
    """Who chooses the levels: each firm its own for its own profit, both jointly for joint profit,
    or a planner for welfare."""
    prices: PriceRule
    """Who sets prices, as the matrix of margins in net intercepts."""
    sharing_range: tuple[float, float] = (0.0, 1.0)
    """What a firm may share; both ends equal where sharing is imposed or forbidden."""
    order: Literal["together", "one_leads", "investment_first", "sharing_agreed"] = "together"
    """Whether the firms choose their levels at once, one of them commits first, both invest before
    both share, or sharing is agreed on for joint profit before each invests for itself."""
    leader: int | None = None
    """The firm that commits first, where one does."""
    welfare_weight: float | Array = 1.0
    """Of a planner: its weight on welfare, the rest being on joint profit; one number, or one per
    market (L,)."""
    label: str = ""
    """What it is called at the head of a row; `{leader}` stands for the firm that commits first,
    here and in the phrase."""
    phrase: str = ""
    """What it is called inside a sentence."""
    advised: str | None = None
    """What doing it is called in advice; None: to permit it, where that is what it takes."""
    code: str = ""
    """What findings about it are called; its key unless told."""
    role: Role = "market"
    requires: Requirement | None = None
    """What it takes to bring it about; None where it is no policy: nobody can choose it."""
    forbidden: bool = False
    """Whether the law as it mostly stands forbids it, so that it is advised to nobody unless
    allowed."""
    mirror_of: str | None = None
    """The regime of which, for equal firms, this is the image with the firms exchanged."""
    objective: str = ""
    """What grows without limit where it has no solution; empty: what follows from who chooses."""
    block: int = 16_000
    """Markets solved together: a game's should fit the processor's cache; climbs take their own
    share of them at a time."""

    each: tuple[Regime, ...] = ()
    """Where every market has a regime of its own, those (`side_by_side`)."""

    def of(self, lanes: Any) -> Regime:
        """The regime in some of many markets."""
        if self.each:
            return side_by_side([self.each[k] for k in np.arange(len(self.each))[lanes]])
        return (
            self
            if np.ndim(self.welfare_weight) == 0
            else replace(self, welfare_weight=np.asarray(self.welfare_weight)[lanes])
        )

    @property
    def sole(self) -> bool:
        """Whether one chooser chooses all levels."""
        return self.chooser != "firms"

    @property
    def staged(self) -> bool:
        """Whether levels are chosen one after the other."""
        return self.order != "together"

    @property
    def agreed(self) -> bool:
        """Whether firms agree on sharing before each chooses the rest for itself."""
        return self.order == "sharing_agreed"

    @property
    def shared_last(self) -> bool:
        """Whether firms share when they know what each has invested."""
        return self.order == "investment_first"

    @property
    def imposed(self) -> float | None:
        """The sharing that is imposed; None where it is chosen."""
        return self.sharing_range[0] if self.sharing_range[0] == self.sharing_range[1] else None

    @property
    def policy(self) -> bool:
        """Whether somebody can choose it."""
        return self.requires is not None

    @property
    def maximised(self) -> str:
        """What its choosers maximise, in words."""
        return (
            self.objective
            or {"firms": "some firm's profit", "alliance": "joint profit", "planner": "welfare"}[
                self.chooser
            ]
        )


_game = partial(Regime, chooser="firms", prices=bertrand_matrix, block=4000)

REGIMES: dict[str, Regime] = {
    regime.key: regime
    for regime in (
        _game(
            key="no_sharing",
            sharing_range=(0.0, 0.0),
            label="No sharing",
            phrase="a ban on sharing",
            advised="ban sharing between the firms",
            role="order",
            requires="order",
        ),
        _game(
            key="nash",
            label="Market today",
            phrase="today's market",
            advised="leave the market as it is",
            requires="nothing",
        ),
        _game(
            key="sequential",
            order="one_leads",
            leader=0,
            label="{leader} commits first",
            phrase="a market in which {leader} commits first",
        ),
        _game(
            key="sequential_firm_2",
            order="one_leads",
            leader=1,
            mirror_of="sequential",
            label="{leader} commits first",
            phrase="a market in which {leader} commits first",
        ),
        _game(
            key="investment_first",
            order="investment_first",
            label="Investment before sharing",
            phrase="a market in which investment comes before sharing",
        ),
        Regime(
            key="joint_profit",
            chooser="alliance",
            prices=bertrand_matrix,
            label="Industry alliance",
            phrase="an industry alliance",
            advised="permit an industry alliance that leaves prices to the firms",
            code="alliance",
            role="alliance",
            requires="permission",
        ),
        _game(
            key="sharing_alliance",
            order="sharing_agreed",
            label="Alliance on sharing alone",
            phrase="an alliance on sharing alone",
            advised=(
                "permit an alliance that agrees on sharing and leaves investment and prices to the"
                " firms"
            ),
            role="alliance",
            requires="permission",
        ),
        Regime(
            key="price_collusion",
            chooser="alliance",
            prices=collusive_matrix,
            label="Alliance that also fixes prices",
            phrase="an alliance that also fixes prices",
            forbidden=True,
            role="alliance",
            requires="permission",
        ),
        Regime(
            key="social_optimum",
            chooser="planner",
            prices=bertrand_matrix,
            label="Planner sets levels",
            phrase="the planner's optimum",
            advised="order the levels of the planner's optimum",
            role="benchmark",
            requires="order",
        ),
        Regime(
            key="first_best",
            chooser="planner",
            prices=marginal_cost_matrix,
            label="Planner sets levels and prices",
            phrase="a planner who also sets prices",
            advised="order levels and prices as a planner would set them",
            role="benchmark",
            requires="order",
        ),
    )
}
"""Every regime by its key, in the order of reports."""


def side_by_side(regimes: Sequence[Regime]) -> Regime:
    """Sole choosers' regimes, with one range of sharing, as lanes of one; alone, a regime is
    itself."""
    if len(regimes) == 1:
        return regimes[0]
    rules = {regime.prices: np.zeros((len(regimes), 1, 1), bool) for regime in regimes}
    for k, regime in enumerate(regimes):
        rules[regime.prices][k] = True
    weight = [np.ravel(one.welfare_weight)[0] * (one.chooser == "planner") for one in regimes]
    return Regime(
        key="",
        chooser="planner",
        prices=lambda case: np.select(list(rules.values()), [rule(case) for rule in rules]),
        sharing_range=regimes[0].sharing_range,
        welfare_weight=np.array(weight),
        each=tuple(regimes),
    )


def benefit_matrix(case: Case, regime: Regime) -> Array:
    """Q (..., 2, 2) of a sole chooser: both firms' variable profit for an alliance, gross utility
    less unit costs for a planner of weight one on welfare; other weights mix the two."""
    weight = np.asarray(regime.welfare_weight if regime.chooser == "planner" else 0.0)[
        ..., None, None
    ]
    if (weight == 1).all():
        return utility_matrix(case, regime.prices)
    joint: Array = revenue_matrices(case, regime.prices).sum(-3)
    return (
        np.asarray(weight * utility_matrix(case, regime.prices) + (1 - weight) * joint)
        if weight.any()
        else joint
    )


def needed_scale(case: Case, regime: Regime, every_firm: bool = True) -> Array:
    """What cost.scale must exceed (L or 1,) for the choosers' payoffs at a flat case to be bounded,
    where no cap bounds investment.

    Of a sole chooser among levels at which every firm sells or, without `every_firm`, at least
    that: among all as well, unit costs being no higher than investment makes them.
    """
    if np.isfinite(case.investment_cap).all():
        return np.full(1, -np.inf)
    if regime.sole:
        benefit, sold = benefit_matrix(case, regime), sold_matrix(case, regime.prices)
        among_all = np.asarray(-np.inf) if every_firm else required_scale(case, benefit)
        # where a unit cost may be what one likes, only firms that sell have a bound
        if not (every_firm or dearer_at_will(case).any()):
            return among_all
        return np.maximum(among_all, required_scale(case, benefit, sold))
    # Even at the full stand-alone cost some firm's best reply would be to invest without limit;
    # where sharing is agreed on, at any.
    ranges = [regime.sharing_range] if not regime.agreed else [(s, s) for s in regime.sharing_range]
    bound = np.min([reply_bound(case, own) + np.zeros(2) for own in ranges], axis=0)
    return np.asarray((bound / relative_scale(case)).max(-1))


def may_have_others(case: Case, regime: Regime) -> NDArray[np.bool_]:
    """Whether a game may have equilibria of another kind than those that firms reach from what each
    would do alone, in the lanes of a flat case (L or 1,): what is exchanged pays for what is
    exchanged."""
    if max(regime.sharing_range) == 0:
        return np.zeros(1, bool)
    shared = replies_feed_each_other(case)
    return shared if regime.imposed is not None else shared | (steepness(case) >= 1)


def unbounded(case: Case, needed: Array) -> NDArray[np.bool_]:
    """Whether payoffs that need this cost scale grow without limit in investment, in the lanes of a
    flat case (L or 1,)."""
    return np.asarray(np.isinf(case.investment_cap).any(-1) & (case.cost_scale[:, 0] <= needed))


def headroom(case: Case, regime: Regime) -> Array:
    """How far payoffs are from growing without limit (L,) in the markets of a flat case: the
    logarithm of cost.scale over what it must exceed, at most `ROOMY` in size; negative where they
    do grow. Where all levels count, not those alone at which every firm sells, it may be more
    than said, but has the same sign."""
    inner = in_units(case, natural_units(case))
    endless = np.isinf(inner.investment_cap).any(-1) & np.ones(len(inner.cost_scale), bool)

    def room(lanes: NDArray[np.intp], every_firm: bool) -> Array:
        needed = needed_scale(inner.take(lanes), regime.of(lanes), every_firm)
        with np.errstate(divide="ignore"):
            ratio = np.log(inner.cost_scale[lanes, 0]) - np.log(np.maximum(needed, 0.0))
        return np.clip(ratio, -ROOMY, ROOMY)

    out, some = np.full(len(endless), ROOMY), np.flatnonzero(endless)
    out[some] = room(some, every_firm=False)
    if regime.sole and len(left := np.flatnonzero(out <= 0)):
        out[left] = room(left, every_firm=True)
    return out


ROOMY = 10.0
"""Logarithm of the cost scale beside what is needed beyond which how much room there is does not
matter."""


def why_unbounded(case: Case, regime: Regime, needed: float) -> str:
    """The message about one flat case that is unbounded."""
    key, parameter = (
        ("cost.max_saving", "max_saving")
        if form_of(case).uses_max_saving
        else ("cost.spillover", "cost_spillover")
    )
    # Where a larger scale helps, how much less knowledge would is not worth the search it takes
    # where costs are no parabola.
    most = (
        _most_bounded(case, regime, parameter)
        if form_of(case).own_far_out or np.isinf(needed)
        else None
    )
    return explain_unbounded(case, needed, regime.maximised, {} if most is None else {key: most})


def _most_bounded(case: Case, regime: Regime, parameter: str) -> float | None:
    """What both firms' values of a parameter have to stay below for payoffs of one flat case to be
    bounded; None where nothing helps."""
    # Imported where it is needed: it takes longer to import than most markets to solve.
    from scipy.optimize import brentq

    values = getattr(case, parameter)

    def missing(most: float) -> float:
        """How far the cost scale falls short, as a logarithm."""
        needed = needed_scale(case.with_parameter(parameter, np.minimum(values, most)), regime)
        return float(np.log(np.maximum(needed, 1e-300) / case.cost_scale[:, :1]).max())

    top = float(values.max())
    top = top if np.isfinite(missing(top)) else top * (1 - 1e-9)
    return (
        float(brentq(missing, 0.0, top, xtol=1e-12, rtol=1e-12))
        if missing(0.0) < 0 < missing(top)
        else None
    )
