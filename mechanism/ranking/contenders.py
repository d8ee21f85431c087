"""What the policies come to, in any number of markets: the figures that are ranked, instruments
chosen for the standard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import SOLVED, Outcome, account
from market.model.pricing import PriceRule, bertrand_matrix
from market.regimes import REGIMES
from mechanism.casefile.policies import GOAL, TODAY, Policy, compared, policy_of
from mechanism.casefile.standard import Standard, standard_of
from mechanism.casefile.types import TypeSpace
from mechanism.design.options import WhyNot
from mechanism.design.rules import TAX_RULES
from mechanism.frozen import put
from mechanism.ranking.attainable import Attainable, attainable, rates_alone
from mechanism.ranking.contender import Contender
from mechanism.ranking.frontier import Solved
from mechanism.ranking.rank import Ranked, rank
from mechanism.rates.instruments import UnitRates, played_at, unit_rates
from mechanism.scheme.behaviour import ExpectedOutcome, certain_outcome

if TYPE_CHECKING:
    from mechanism.rates.robust_rates import FixedRates
    from mechanism.scheme.preparation import Scheme

NO_RATES = (
    "at the rates that make the levels every firm's first-order choice some firm would still rather"
    " choose others"
)
"""Why there are no figures of subsidies per unit."""


@dataclass(frozen=True, kw_only=True)
class AsFound:
    """Outcomes of one market as those of many."""

    status: NDArray[np.object_]
    """(1,)."""
    levels: Array
    """(1, 4); NaN where nothing is claimed."""


def as_found(outcome: Outcome) -> AsFound:
    """An outcome of one market as those of many."""
    levels = np.full((1, 4), np.nan) if outcome.levels is None else outcome.levels[None]
    return AsFound(status=np.array([outcome.status], object), levels=levels)


@dataclass(frozen=True, kw_only=True)
class KnownPolicies:
    """The policies at C markets whose types are known."""

    contenders: tuple[Contender, ...]
    """As they stand, in the order asked."""
    best: Attainable | None
    """The levels of the highest value that money can reach; None where no policy asks for them."""
    rates: UnitRates | None
    """The rates that aim at them, NaN where there are none; None where no policy asks for them."""


def known_policies(
    case: Case,
    found: Mapping[str, Solved],
    policies: Sequence[Policy],
    standard: Standard,
    roughly: bool = False,
) -> KnownPolicies:
    """The policies in the C markets of a flat case, from the outcomes of the regimes among them:
    today's included and, where some policy is no regime, the planner's; `roughly`: as in
    `market.regimes.solve_markets`."""
    market, optimum = found[TODAY], found.get(GOAL)
    today = account(case, market.levels, bertrand_matrix)
    known = [one.levels for key, one in found.items() if REGIMES[key].prices is bertrand_matrix]
    best = rates = imposed = most = None
    if optimum is not None and any(policy.source != "regime" for policy in policies):
        if standard.participation == "none":
            best = rates_alone(case, optimum, today, standard, [market.levels])
            imposed = attainable(case, optimum, today, standard, known, payments=False)
            # Whatever competes leaves no firm below zero: nothing does better than payments that
            # see to just that.
            most = attainable(case, optimum, today, replace(standard, participation="ir2"), known)
        else:
            best = imposed = most = attainable(
                case, optimum, today, standard, known, roughly=roughly
            )
        rates = rates_at(case, best.levels)
    nobody = np.zeros_like(today.profit)

    def contender(policy: Policy) -> Contender:
        rule: PriceRule = bertrand_matrix
        paid, flat = nobody, True
        if policy.source == "regime":
            status, levels, rule, flat = (
                found[policy.key].status,
                found[policy.key].levels,
                REGIMES[policy.key].prices,
                False,
            )
        else:
            assert optimum is not None
            assert best is not None
            assert rates is not None
            assert imposed is not None
            assert most is not None
            status, levels = optimum.status, optimum.levels
            if policy.source == "rates":
                status, levels, paid = (
                    np.where(rates.holds, best.status, _lacking(best.status)),
                    best.levels,
                    rates.paid,
                )
            elif policy.source == "attainable":
                status, levels = most.status, most.levels
            elif policy.source == "imposed":
                status, levels, flat = imposed.status, imposed.levels, False
        levels = np.where(np.isin(status, list(SOLVED))[:, None], levels, np.nan)
        books = certain_outcome(case, levels, rule, paid)
        form = (
            "ir2"
            if policy.source == "attainable" and standard.participation == "none"
            else standard.participation
        )
        least = least_receipts(books.profit, paid, today.profit, form) if flat else None
        columns = _told(policy, found.get(policy.key), optimum, rates)
        bar = policy.bar(private=False)
        return Contender(
            policy=policy, status=status, expected=books, least=least, barred=bar, columns=columns
        )

    return KnownPolicies(
        contenders=tuple(contender(policy) for policy in policies), best=best, rates=rates
    )


def _told(
    policy: Policy, own: Solved | None, optimum: Solved | None, rates: UnitRates | None
) -> dict[str, NDArray[Any]]:
    """What is told of a policy beside its figures."""
    why = getattr(optimum, "message", None)
    if policy.source == "rates" and rates is not None:
        aimed = np.isfinite(rates.levels).all(-1)
        message = np.where(
            aimed, np.where(rates.holds, "", NO_RATES), "" if why is None else why
        ).astype(object)
        return {"message": message, "residual": rates.residual, "regret": rates.regret}
    source = own if policy.source == "regime" else optimum
    names = ("message", "residual", "regret") if source is own else ("message",)
    return {name: values for name in names if (values := getattr(source, name, None)) is not None}


def least_receipts(profit: Array, paid: Array, today: Array, participation: str) -> Array:
    """The least (C, 2) that firms must receive net to join, from profits before transfers, what
    they are paid as it stands, and what today's market leaves them; where nobody may refuse it is
    what they are paid."""
    if participation == "ir_market":
        return today - profit
    if participation == "none":
        return paid
    return np.zeros_like(profit) if participation == "ir1" else -profit


def _lacking(status: NDArray[np.object_]) -> NDArray[np.object_]:
    """What is said of rates that do not lead to the levels aimed at: there are none, or others are
    chosen."""
    return np.where(np.isin(status, list(SOLVED)), "no_equilibrium", status)


def rates_at(case: Case, levels: Array) -> UnitRates:
    """The rates that aim at levels (C, 4); NaN where there are none."""
    lanes = np.flatnonzero(np.isfinite(levels).all(-1))
    C = len(levels)
    if len(lanes) == C:
        return unit_rates(case, levels)
    blank = UnitRates(
        rates=np.full((C, 2, 4), np.nan),
        levels=levels,
        paid=np.full((C, 2), np.nan),
        residual=np.full(C, np.nan),
        regret=np.full(C, np.nan),
        holds=np.zeros(C, bool),
    )
    if not len(lanes):
        return blank
    return put(blank, lanes, unit_rates(case.take(lanes), levels[lanes]))


def at_rates_kept(
    case: Case, rates: Array, today: Array, starts: Array, standard: Standard
) -> Ranked:
    """Plain subsidies at rates (2, 4) that were fixed without knowing which of C markets it would
    be, ranked beside today's market with levels (C, 4): the first is today's, the second these.
    Firms know their market and play in it, from around the starts (k, C, 4); the flat parts are
    settled there, by the rule of every instrument."""
    levels = played_at(case, rates, starts)
    paid = (rates * levels[:, None]).sum(-1)
    before, books = (
        certain_outcome(case, x, bertrand_matrix, money)
        for x, money in ((today, 0.0), (levels, paid))
    )
    solved = np.isfinite(levels).all(-1) & books.describes_market
    least = least_receipts(books.profit, paid, before.profit, standard.participation)
    now = Contender(
        policy=policy_of(TODAY), status=np.full(len(today), "converged", object), expected=before
    )
    status = np.where(solved, "converged", "no_equilibrium").astype(object)
    kept = Contender(
        policy=policy_of("linear_subsidies"), status=status, expected=books, least=least
    )
    return rank([now, kept], TODAY, GOAL, standard)


# --- what is ranked


def in_the_running(types: TypeSpace | None, standard: Standard) -> tuple[Policy, ...]:
    """What is followed where cases are ranked as one is: what a comparison of such cases shows and
    may win, and what money aims at; `types` is None where everything is known."""
    private = types is not None

    def able(policy: Policy) -> bool:
        rule = TAX_RULES.get(policy.key)
        if rule is not None and rule.observed and types is not None and types.private_values:
            return False  # it has nothing to ask
        barred = policy.bar(private) or (
            types is not None and _only_the_grid(policy, types, standard)
        )
        return not barred or policy.key in standard.allow or policy.key == GOAL

    return tuple(row for row in compared(private, standard.participation == "none") if able(row))


# --- types private


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """What a policy comes to at C cases with private types, before any flat part."""

    status: NDArray[np.object_]
    """(C,)."""
    expected: ExpectedOutcome
    """(C, ...); NaN where nothing is claimed."""
    least: Array | None = None
    """(C, 2): the least expected net receipts with which every type joins; None of what pays
    nothing."""
    worst: Array | None = None
    """(C, 2): what the worst type of each firm keeps; None where it is not known."""
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """(C,) each: what else is told of it in rows of many cases."""

    def take(self, cases: NDArray[Any]) -> Standing:
        """What it comes to at some of the cases."""
        least, worst = (
            None if values is None else values[cases] for values in (self.least, self.worst)
        )
        columns = {name: values[cases] for name, values in self.columns.items()}
        return Standing(
            status=self.status[cases],
            expected=self.expected.take(cases),
            least=least,
            worst=worst,
            columns=columns,
        )


def nothing(cases: int) -> ExpectedOutcome:
    """Expectations of which none is claimed."""
    one, two = np.full(cases, np.nan), np.full((cases, 2), np.nan)
    per_case = {"welfare": one, "consumer_surplus": one, "describes_market": np.ones(cases, bool)}
    return ExpectedOutcome(**{f.name: per_case.get(f.name, two) for f in fields(ExpectedOutcome)})


def one_standing(
    expected: ExpectedOutcome | None,
    least: Array | None = None,
    worst: Array | None = None,
    *,
    missing: str,
    why: str = "",
) -> Standing:
    """What one case says of a policy, `missing` being the status where it has no figures."""
    said = "" if expected is not None else why
    return Standing(
        status=np.array([missing if expected is None else "converged"], object),
        expected=nothing(1) if expected is None else expected.lane,
        least=None if least is None else least[None],
        worst=None if worst is None else worst[None],
        columns={"message": np.array([said], object)},
    )


def fixed_rates(scheme: Scheme, start: Array | None) -> FixedRates | WhyNot:
    """The subsidies per unit of the highest value that are fixed before types are drawn, at one
    case; looked for from rates (2, 4) too."""
    # Not at the top: what searches takes longer to import than a case without types to evaluate.
    from mechanism.rates.robust_rates import best_rates

    starts = [] if start is None else [start]
    return best_rates(
        scheme.case,
        scheme.types,
        scheme.private_market,
        standard_of(scheme.options),
        scheme.market_levels,
        starts,
    )


def rates_standing(found: FixedRates | WhyNot) -> Standing:
    """What they come to."""
    unknown = np.full(2, np.nan)
    if isinstance(found, WhyNot):
        missing = "unbounded" if found.code == "no_limit" else "no_equilibrium"
        return one_standing(None, unknown, unknown, missing=missing, why=found.text)
    return one_standing(
        found.expected, found.least_receipts, found.payoff.min(-1), missing="no_equilibrium"
    )


NOT_ASKED = "not_asked"
"""The status of a tax rule at a case without types, and of transfers that are not solved for under
the case's options."""


def typed_policies(
    policies: Sequence[Policy],
    standings: Mapping[str, Standing],
    types: TypeSpace,
    standard: Standard,
) -> tuple[Contender, ...]:
    """The policies that stand at C cases with private types, in the order asked; what has no
    standing is left out."""

    def contender(policy: Policy) -> Contender:
        found, bar = standings[policy.key], policy.bar(private=True)
        if not bar and _only_the_grid(policy, types, standard):
            bar = "grid"
        if bar == "benchmark" and policy.key in standard.allow:
            bar = "types_known"  # nobody who sets levels knows them
        least = found.least
        if (
            standard.participation == "none"
            and least is not None
            and policy.source in ("rule", "own_rule")
        ):
            least = np.zeros_like(
                least
                # what a tax takes beyond what a report is worth to others is flat, and there are no
                # flat parts
            )
        return Contender(
            policy=policy,
            status=found.status,
            expected=found.expected,
            least=least,
            worst=found.worst,
            barred=bar,
            columns=found.columns,
        )

    return tuple(contender(policy) for policy in policies if policy.key in standings)


def _only_the_grid(policy: Policy, types: TypeSpace, standard: Standard) -> bool:
    """Whether what transfers that are solved for save against a formula may be the distance between
    types alone. On an interval interim payoffs at the same levels differ by a constant, which the
    flat part sets; where firms decide knowing both types a formula's flat part may be too much, but
    by how much a grid does not tell."""
    rule = TAX_RULES.get(policy.key)
    return (
        rule is not None
        and rule.designed
        and types.continuous
        and types.private_values
        and standard.participation != "none"
    )
