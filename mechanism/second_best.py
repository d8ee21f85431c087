"""The second best: levels drawn by lottery, solved for together with the transfers.

At every pair of types the lottery is over the levels that maximise w x welfare + (1 - w) x joint profit for the weights w of
`market_setting.WEIGHTS`: what must be given up of welfare where public money is dear or firms may stay out is taken there.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from market.case import INVESTMENT, SHARING, Array, Case
from market.outcome import account
from market.pricing import bertrand_matrix
from mechanism.allocation import case_at_pairs
from mechanism.behaviour import Expected
from mechanism.checks import NOT_ESTABLISHED, participation, payoff_range
from mechanism.designed import Designed
from mechanism.incentives import Gains, incentive_check
from mechanism.market_setting import WEIGHTS
from mechanism.preparation import Setting
from mechanism.results import (
    FORMS,
    Budget,
    Checks,
    IncentiveCheck,
    InterimRow,
    LevelsCertificate,
    Lottery,
    ParticipationCheck,
    RuleResult,
)
from mechanism.settings import interim_by_report, misreport_gains, payoffs
from mechanism.types import TypeSpace


def second_best_result(setting: Setting, found: Designed, menu: Array, outside: dict[str, Array | None]) -> RuleResult:
    """A design with lotteries over the menu (m, K, K, 4).

    `outside` is what staying out is worth against the market, by timing: (2, K) interim, (2, K, K) ex post. Checks that need levels
    without chance (free deviations, repair, schedule) are left out.
    """
    options, types = setting.options, setting.types
    gains, expected = lottery_gains(found), lottery_outcome(setting.case, types, found, menu)
    points, scale, weights = types.types, payoff_range(gains.truth_ex_post), types.probabilities
    incentives: tuple[Literal["bayesian", "dominant"], ...] = ("bayesian", "dominant")
    timings: tuple[Literal["interim", "ex_post"], ...] = ("interim", "ex_post")

    def joining(form: str, timing: Literal["interim", "ex_post"]) -> ParticipationCheck:
        payoff = found.net if form == "ir1" else gains.truth_ex_post
        payoff = payoff @ weights if timing == "interim" else payoff
        against = outside[timing] if form == "ir_market" else np.zeros_like(payoff)
        check = NOT_ESTABLISHED if against is None else participation(payoff, against, points, scale)
        return ParticipationCheck(timing=timing, check=check)

    total = found.transfers[0] + found.transfers[1]
    checks = Checks(
        incentive=options.incentive,
        payoff="with_cost",
        timing=options.timing,
        payoff_range=gains.range,
        incentives=tuple(
            IncentiveCheck(
                incentive=incentive,
                deviation="assigned",
                payoff="with_cost",
                check=incentive_check(gains, points, incentive, gains.range),
            )
            for incentive in incentives
        ),
        participation={form: tuple(joining(form, timing) for timing in timings) for form in FORMS},
        program=None,
        collusion=NOT_ESTABLISHED,
        budget=Budget(ex_ante=float(weights @ total @ weights), worst=float(total.max())),
    )
    at_market = outside["interim"]
    interim = tuple(
        InterimRow(
            firm=firm + 1,
            type=float(points[k]),
            payoff=float(gains.truth[firm, k]),
            subsidy=None,
            tax=None,
            net_transfer=float(found.net[firm, k] @ weights),
            outside=None if at_market is None else float(at_market[firm, k]),
            best_report=float(points[int(np.argmax(gains.interim[firm, k]))]),
            gain=float(gains.bayesian[firm, k].max()),
        )
        for firm in (0, 1)
        for k in range(len(points))
    )
    return RuleResult(
        tax_rule="designed",
        payoff="with_cost",
        types=points,
        probabilities=weights,
        expected=expected,
        achieved=expected,
        checks=checks,
        repair=None,
        played=None,
        interim=interim,
        evidence=None,
        schedule=(),
        design=found,
        lotteries=lotteries(types, found),
        continuum=None,
        certificate=LevelsCertificate(residual=setting.residual, several_optima=setting.several, pairs=len(points) ** 2),
    )


def lottery_gains(found: Designed) -> Gains:
    """What misreporting gains where levels are drawn by lottery, in the form in which it is checked elsewhere."""
    plan = found.plan
    assert plan is not None
    setting = plan.setting
    every = np.arange(len(setting.types[0]))
    interim = [interim_by_report(setting, i, plan.value(i) + found.transfers[i]) for i in (0, 1)]
    earned = payoffs(plan, found.transfers)
    return Gains(
        rows=every,
        columns=every,
        interim=np.stack(interim),
        truth=np.stack([np.diagonal(table) for table in interim]),
        truth_ex_post=np.stack([earned[0], earned[1].T]),
        dominant=np.stack([misreport_gains(plan, found.transfers, i, "dominant") for i in (0, 1)]),
    )


def _shares(types: TypeSpace, found: Designed) -> Array:
    """(K, K, m): at each pair of types the probability of every levels on its menu."""
    assert found.plan is not None
    assert found.plan.lottery is not None
    lottery, size = found.plan.lottery, len(types.types)
    first, second = np.ogrid[:size, :size]
    return np.asarray(lottery.reshape(size, size, -1, size, size)[first, second, :, first, second])


def lottery_outcome(case: Case, types: TypeSpace, found: Designed, menu: Array) -> Expected:
    """Expectations over types and lotteries over the menu (m, K, K, 4)."""
    shares = _shares(types, found)
    books = [account(case_at_pairs(case, types.types), x, bertrand_matrix) for x in menu]
    weight = (types.probabilities[:, None] * types.probabilities)[..., None] * shares  # (K, K, m)

    def mean(values: list[Array]) -> Array:
        return np.asarray(np.einsum("klm,mkln->n", weight, np.stack(values)))

    net = np.stack([found.transfers[0], found.transfers[1]], -1)
    return Expected(
        welfare=float(mean([b.total_surplus for b in books]).sum()),
        consumer_surplus=float(mean([b.consumer_surplus for b in books]).sum()),
        price=mean([b.price for b in books]),
        profit=mean([b.profit for b in books]),
        net_transfer=np.asarray(((types.probabilities[:, None] * types.probabilities)[..., None] * net).sum((0, 1))),
        sharing=mean([x[..., SHARING] for x in menu]),
        investment=mean([x[..., INVESTMENT] for x in menu]),
        describes_market=bool(all(b.describes_market.all() for b in books)),
    )


def lotteries(types: TypeSpace, found: Designed) -> tuple[Lottery, ...]:
    """For each pair of types the probabilities of levels at each weight on welfare, the rest being on joint profit."""
    drawn = _shares(types, found)
    return tuple(
        Lottery(
            types=(float(types.types[k]), float(types.types[m])),
            probability_by_weight={f"{w:g}": float(p) for w, p in zip(WEIGHTS, drawn[k, m], strict=True) if p > 1e-12},
        )
        for k, m in np.ndindex(drawn.shape[:2])
    )
