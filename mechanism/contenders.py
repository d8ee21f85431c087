"""What the policies come to, in any number of markets: the figures that are ranked, instruments chosen for the standard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from market.case import Array, Case
from market.outcome import SOLVED, account
from market.pricing import PriceRule, bertrand_matrix
from market.regimes import REGIMES
from mechanism.attainable import Attainable, Solved, attainable
from mechanism.behaviour import Expected, certain_outcome
from mechanism.instruments import UnitRates, unit_rates
from mechanism.policies import GOAL, TODAY, Policy
from mechanism.ranking import Contender
from mechanism.rules import TAX_RULES
from mechanism.standard import Standard
from mechanism.types import TypeSpace

NO_RATES = "at the rates that make the levels every firm's first-order choice some firm would still rather choose others"
"""Why there are no figures of subsidies per unit."""


@dataclass(frozen=True, kw_only=True)
class KnownPolicies:
    """The policies at C markets whose types are known."""

    contenders: tuple[Contender, ...]
    """As they stand, in the order asked."""
    best: Attainable
    """The levels of the highest value that money can reach."""
    rates: UnitRates
    """The rates that aim at them; NaN where there are no such levels."""


def known_policies(case: Case, found: Mapping[str, Solved], policies: Sequence[Policy], standard: Standard) -> KnownPolicies:
    """The policies in the C markets of a flat case, from the outcomes of the regimes among them, today's and the planner's included."""
    market, optimum = found[TODAY], found[GOAL]
    today = account(case, market.levels, bertrand_matrix)
    known = [one.levels for key, one in found.items() if REGIMES[key].prices is bertrand_matrix]
    best = attainable(case, optimum, today, standard, known)
    rates = _rates(case, best.levels)
    imposed = best
    if standard.participation == "none" and any(p.source in ("imposed", "attainable") for p in policies):
        imposed = attainable(case, optimum, today, standard, known, payments=False)
    nobody = np.zeros((len(best.status), 2))

    def contender(policy: Policy) -> Contender:
        rule: PriceRule = bertrand_matrix
        status, levels, paid, flat = optimum.status, optimum.levels, nobody, True
        if policy.source == "rates":
            status, levels, paid = np.where(rates.holds, best.status, _lacking(best.status)), best.levels, rates.paid
        elif policy.source in ("attainable", "imposed"):
            status, levels, flat = imposed.status, imposed.levels, imposed is best and policy.source == "attainable"
        elif policy.source == "regime":
            status, levels, flat = found[policy.key].status, found[policy.key].levels, False
            rule = REGIMES[policy.key].prices
        levels = np.where(np.isin(status, list(SOLVED))[:, None], levels, np.nan)
        books = certain_outcome(case, levels, rule, paid)
        least = least_receipts(books.profit, paid, today.profit, standard.participation) if flat else None
        return Contender(policy=policy, status=status, expected=books, least=least, barred=policy.bar(private=False))

    return KnownPolicies(contenders=tuple(contender(policy) for policy in policies), best=best, rates=rates)


def least_receipts(profit: Array, paid: Array, today: Array, participation: str) -> Array:
    """The least (C, 2) that firms must receive net to join, from profits before transfers, what they are paid as it stands, and what
    today's market leaves them; where nobody may refuse it is what they are paid."""
    if participation == "ir_market":
        return today - profit
    if participation == "none":
        return paid
    return np.zeros_like(profit) if participation == "ir1" else -profit


def _lacking(status: NDArray[np.object_]) -> NDArray[np.object_]:
    """What is said of rates that do not lead to the levels aimed at: there are none, or others are chosen."""
    return np.where(np.isin(status, list(SOLVED)), "no_equilibrium", status)


def _rates(case: Case, levels: Array) -> UnitRates:
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
    some = unit_rates(case.take(lanes), levels[lanes])
    columns = {name: np.array(values) for name, values in vars(blank).items()}
    for name, values in columns.items():
        values[lanes] = getattr(some, name)
    return UnitRates(**columns)


# --- types private


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """What a policy comes to at C cases with private types, before any flat part."""

    status: NDArray[np.object_]
    """(C,)."""
    expected: Expected
    """(C, ...); NaN where nothing is claimed."""
    least: Array | None = None
    """(C, 2): the least expected net receipts with which every type joins; None of what pays nothing."""
    worst: Array | None = None
    """(C, 2): what the worst type of each firm keeps; None where it is not known."""


def nothing(cases: int) -> Expected:
    """Expectations of which none is claimed."""
    one, two = np.full(cases, np.nan), np.full((cases, 2), np.nan)
    totals = {"welfare": one, "consumer_surplus": one}
    return Expected(**totals, **{f.name: two for f in fields(Expected) if f.name not in totals and f.name != "describes_market"})


def typed_policies(
    policies: Sequence[Policy], standings: Mapping[str, Standing], types: TypeSpace, standard: Standard
) -> tuple[Contender, ...]:
    """The policies that stand at C cases with private types, in the order asked; what has no standing is left out."""

    def contender(policy: Policy) -> Contender:
        found, bar = standings[policy.key], policy.bar(private=True)
        if not bar and _only_the_grid(policy, types, standard):
            bar = "grid"
        least = found.least
        if standard.participation == "none" and least is not None:
            least = found.expected.net_transfer
        return Contender(policy=policy, status=found.status, expected=found.expected, least=least, worst=found.worst, barred=bar)

    return tuple(contender(policy) for policy in policies if policy.key in standings)


def _only_the_grid(policy: Policy, types: TypeSpace, standard: Standard) -> bool:
    """Whether what transfers that are solved for save against a formula is the distance between types: on an interval interim payoffs
    at the same levels differ by a constant alone, which the flat part sets."""
    rule = TAX_RULES.get(policy.key)
    alike = types.continuous and types.private_values and standard.timing == "interim" and standard.participation != "none"
    return rule is not None and rule.designed and alike
