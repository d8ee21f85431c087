"""What to know beside a recommendation: cautions, each with a code, a number computed on its own,
and words.

`cautions` gives those of a policy, the most important first. A threshold says from when a number
is worth a reader's time; what is forbidden or impossible is never a matter of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from market.model.case import INVESTMENT, Array, levels
from market.model.outcome import SOLVED, Solution, account, other_point
from market.model.pricing import bertrand_matrix, utility_matrix
from market.model.units import in_units, levels_from, levels_in, natural_units
from market.regimes import REGIMES, starting_levels
from market.solve.equilibrium import find_equilibria
from market.solve.tolerances import DEFAULT
from mechanism.casefile.policies import GOAL, TODAY, Policy, agreements
from mechanism.casefile.standard import SAME
from mechanism.casefile.types import PRIVATE
from mechanism.ranking.agreements import Breaking, breaking
from mechanism.ranking.recommendation import Caution
from mechanism.rates.instruments import rates_in, subsidised_game
from mechanism.report.words import Words, amount, listed
from mechanism.scheme.allocation import allocate, case_at_pairs

if TYPE_CHECKING:
    from mechanism.report.results import ComparisonRow, Evaluation
    from mechanism.scheme.rule_results import RuleResult

FALL = 1e-3
"""Share of today's security investment by which it must fall to be worth saying: less is no finding
about security."""
TEMPTING = 0.01
"""Share of the members' joint profit that fixing prices must add to be called a temptation: less is
not worth a fine."""
MOST_OF_IT = 0.5
"""Share of a far-reaching agreement's gain in welfare from which one that asks less makes it
dispensable."""
SELECTIVE = 0.01
"""Share of both firms' profits today by which payments to them must differ to be called selective:
what state-aid rules ask about."""
LARGE = 0.5
"""Share of a firm's profit today above which what it is paid, or charged as a lump sum, is called
large: more than it can easily advance, and more than a small error in the rates should be trusted
with."""
FAR = 10.0
"""How many times what firms spend on security today is called far from it: forms of demand and cost
that fit there tell little of it."""
SEVERAL = 1e-6
"""Share of welfare by which another equilibrium must be worse to be worth saying."""


def cautions(found: Evaluation, policy: Policy) -> tuple[Caution, ...]:
    """What to know beside the recommendation of a policy, the most important first; none where it
    has no figures."""
    row = found.rows.get(policy.key)
    if row is None or row.expected is None or found.today.expected is None:
        return ()
    about = _About(found=found, row=row, say=Words(found.case.units.money, found.case.market.firms))
    return tuple(caution for finder in FINDERS for caution in finder(about))


@dataclass(frozen=True, kw_only=True)
class _About:
    """One policy with figures at one case whose market as it is has figures too."""

    found: Evaluation
    row: ComparisonRow
    say: Words

    @property
    def policy(self) -> Policy:
        return self.row.policy

    @property
    def agreed(self) -> bool:
        """Whether it is an agreement between the firms."""
        return self.policy.requires == "permission"

    @property
    def paid(self) -> bool:
        """Whether public money moves by it."""
        return self.policy.requires in ("money", "reports")

    @property
    def zero(self) -> float:
        """What counts as no money."""
        return SAME * float(self.found.ranked.scale[0])

    @cached_property
    def profits(self) -> tuple[Array, Array]:
        """Profits (2,) before transfers, and today's."""
        e, now = self.row.expected, self.found.today.expected
        assert e is not None
        assert now is not None
        return np.asarray(e.profit, float), np.asarray(now.kept, float)

    @property
    def net(self) -> Array:
        """(2,): what firms receive net when all join."""
        assert self.row.net_transfer is not None
        return self.row.net_transfer

    @property
    def rule(self) -> RuleResult | None:
        """The tax rule with what was found about it, where the figures of the comparison are its
        own."""
        told = (self.found.rules or {}).get(self.policy.key)
        e = self.row.expected
        if (
            told is None
            or told.achieved is None
            or e is None
            or not np.array_equal(told.achieved.net_transfer, e.net_transfer)
        ):
            return None
        return told

    @cached_property
    def breaking(self) -> Breaking | None:
        """What holds the agreement together; None of what is none, or where it has no levels in
        some state."""
        return held_together(self.found, self.row) if self.agreed else None


# --- consumers and security


def _consumers(about: _About) -> Iterator[Caution]:
    change = about.row.change
    if change is not None and change.consumer_surplus < -about.zero:
        lost = -change.consumer_surplus
        yield Caution(
            code="consumers_lose",
            text=f"consumers lose {about.say.money(lost)} against today",
            amount=lost,
        )


def _security(about: _About) -> Iterator[Caution]:
    e, now = about.row.expected, about.found.today.expected
    assert e is not None
    assert now is not None
    before, after = float(now.investment.sum()), float(e.investment.sum())
    if not after < before * (1 - FALL):
        return
    share = 1 - after / before
    fall = f"security investment of both firms together falls by {share:.1%}"
    if about.agreed:
        text = (
            f"{fall}: members agree to spend less on security than they would as rivals, which is a"
            " cartel in investment"
        )
        yield Caution(code="investment_cartel", text=text, amount=share)
    else:
        yield Caution(
            code="security_falls",
            text=f"{fall}, from {amount(before)} to {amount(after)}",
            amount=share,
        )


# --- firms


def _losers(about: _About) -> Iterator[Caution]:
    profit, now = about.profits
    lost = now - profit - about.net
    losing = [i for i in (0, 1) if lost[i] > about.zero]
    if losing:
        text = listed(
            [
                f"{about.say.firm(i)} keeps {about.say.money(float(lost[i]))} less than today"
                for i in losing
            ]
        )
        yield Caution(
            code="firm_loses", text=f"{text} when everybody takes part", amount=float(lost.max())
        )


def _side_payments(about: _About) -> Iterator[Caution]:
    profit, now = about.profits
    gain = profit - now
    needed = float(np.maximum(-gain, 0.0).sum())
    if not about.agreed or needed <= about.zero:
        return
    say, losers = about.say, [i for i in (0, 1) if gain[i] < -about.zero]
    losing = listed([f"{say.firm(i)} loses {say.money(-float(gain[i]))}" for i in losers])
    if len(losers) == 2:
        text = f"{losing} by the agreement, which no payment between them makes good"
    else:
        payer, taker = say.firm(1 - losers[0]), say.firm(losers[0])
        text = f"{losing} before any payment: {payer} must pass that on, or {taker} stays out"
    yield Caution(code="side_payments_needed", text=text, amount=needed)


def _not_self_enforcing(about: _About) -> Iterator[Caution]:
    held = about.breaking
    text = None if held is None else unenforced(held, about.say, about.zero)
    if held is not None and text is not None:
        share = held.share if np.isfinite(held.gain).all() else None
        yield Caution(code="not_self_enforcing", text=text, amount=share)


def unenforced(held: Breaking, say: Words, zero: float) -> str | None:
    """What breaking an agreement would gain and what deters it, in words; None where it gains
    nobody anything."""
    if not (held.gain > zero).any():
        return None
    who = int(held.gain.argmax())
    name = "either firm" if abs(held.gain[0] - held.gain[1]) <= zero else say.firm(who)
    if np.isinf(held.gain[who]):
        return f"it does not enforce itself: what {name} could gain by breaking it has no limit"
    text = (
        f"it does not enforce itself: {name} could gain {say.money(float(held.gain[who]))} by"
        f" breaking it ({held.share:.2%} of joint profit)"
    )
    if held.patience is not None:
        return text + (
            f"; it lasts only if what is earned a period later counts at least {held.patience:.2f}"
            " of the same today"
        )
    if held.with_payments is not None:
        return text + (
            "; without payments between its members some would never keep to it, with them it lasts"
            f" if what is earned a period later counts at least {held.with_payments:.2f} of the"
            " same today"
        )
    return text + (
        ", and no patience deters that, as some member then earns no more than in today's market"
    )


def _dispensable(about: _About) -> Iterator[Caution]:
    row, found = about.row, about.found
    if not about.agreed or REGIMES[row.policy.key].chooser != "alliance" or row.change is None:
        return
    gain = row.change.welfare
    if gain <= about.zero:
        lost = "" if gain >= -about.zero else f" but takes {about.say.money(-gain)} from it"
        text = f"the agreement adds nothing to consumers' surplus and profits together{lost}"
        yield Caution(code="not_indispensable", text=text, amount=gain)
        return
    for other in agreements():
        lesser = found.rows.get(other.key)
        if (
            lesser is None
            or lesser.change is None
            or not lesser.competes
            or REGIMES[other.key].order != "sharing_agreed"
        ):
            continue
        share = lesser.change.welfare / gain
        if share < MOST_OF_IT:
            continue
        profit, now = about.profits
        joint = float((profit - now).sum())
        text = (
            f"{other.phrase} already brings {share:.0%} of what it adds to consumers' surplus and"
            " profits"
        )
        if joint > about.zero and lesser.expected is not None:
            text += (
                f", and its members {float((lesser.expected.profit - now).sum()) / joint:.0%} of"
                " their gain"
            )
        yield Caution(code="not_indispensable", text=text, amount=share)


def _price_temptation(about: _About) -> Iterator[Caution]:
    held = about.breaking
    if held is not None and held.fixing is not None and held.fixing > TEMPTING * held.joint_profit:
        text = (
            f"once they sit together the members could gain another {about.say.money(held.fixing)}"
            " by fixing prices as well"
        )
        yield Caution(code="price_temptation", text=text, amount=held.fixing)


# --- what firms then do


def _not_truthful(about: _About) -> Iterator[Caution]:
    rule = about.rule
    played = None if rule is None else rule.played
    if played is None or played.truthful or played.reports is None:
        return
    told = (
        PRIVATE[about.found.case.types.parameter].label
        if about.found.case.types is not None
        else "types"
    )
    low, high = float(played.reports.min()), float(played.reports.max())
    what = (
        f"everybody reports {low:.3g}"
        if high - low < 1e-9
        else f"reports lie between {low:.3g} and {high:.3g}"
    )
    text = f"firms would not report their {told} truthfully: {what}"
    if played.welfare_loss is not None:
        text += f", which costs {about.say.money(played.welfare_loss)} against the truth"
    yield Caution(
        code="not_truthful",
        text=f"{text}; the figures are of what firms then do",
        amount=played.welfare_loss,
    )


def _others(about: _About) -> Iterator[Caution]:
    """Where firms may settle elsewhere. Other optima of one who chooses alone are no equilibria:
    nobody settles there."""
    found, key = about.found, about.policy.key
    e = about.row.expected
    assert e is not None
    others: tuple[Solution, ...] = ()
    if about.policy.source == "full_information" and found.full_information is not None:
        others = found.full_information.regulated.certificate.others
    elif about.policy.source == "rates" and found.types is None:
        others = other_equilibria_at_rates(found)
    elif about.policy.source == "regime" and not REGIMES[key].sole:
        others = found.regimes[key].certificate.others
    if not others:
        return
    worst = float(e.welfare) - min(other.welfare for other in others)
    where = "another equilibrium" if len(others) == 1 else f"one of {len(others)} other equilibria"
    if worst > SEVERAL * abs(float(e.welfare)):
        text = (
            f"firms may settle at {where} instead, where total welfare is up to"
            f" {about.say.money(worst)} lower"
        )
    else:
        text = f"firms may settle at {where} instead, where total welfare is no lower"
    yield Caution(code="other_equilibria", text=text, amount=worst)


def _collusion(about: _About) -> Iterator[Caution]:
    rule = about.rule
    if rule is None or rule.played is not None:
        return
    together = rule.checks.collusion
    if together.status == "violated" and together.amount is not None:
        text = (
            f"firms that agree on what to report gain {about.say.money(together.amount)} together"
        )
        yield Caution(code="firms_could_agree_on_reports", text=text, amount=together.amount)


def _members_know(about: _About) -> Iterator[Caution]:
    if about.agreed and about.found.case.types is not None:
        told = PRIVATE[about.found.case.types.parameter].label
        text = f"the figures assume that members tell each other their {told} truthfully"
        yield Caution(code="members_know_types", text=text, amount=None)


def _driven_out(about: _About) -> Iterator[Caution]:
    """Of any policy or benchmark: a row without figures for this reason is not a row that is worth
    little."""
    for row in about.found.comparison:
        outcome = about.found.regimes.get(row.policy.key)
        if outcome is None or outcome.certificate.driven_out is None or row.expected is not None:
            continue
        out = about.say.firm(outcome.certificate.driven_out)
        text = (
            f"{row.policy.phrase} would drive {out} out of the market, and has no figures for that"
            " reason"
        )
        yield Caution(code="firm_driven_out", text=text, amount=outcome.certificate.value)


# --- payments


def _selective(about: _About) -> Iterator[Caution]:
    _, now = about.profits
    if not about.paid:
        return
    apart = float(abs(about.net[0] - about.net[1]))
    if apart <= SELECTIVE * abs(float(now.sum())):
        return
    more = int(about.net[1] > about.net[0])
    text = (
        f"firms are not treated alike: {about.say.firm(more)} receives {about.say.money(apart)}"
        f" more net than {about.say.firm(1 - more)}"
    )
    yield Caution(code="selective_transfers", text=text, amount=apart)


def _large(about: _About) -> Iterator[Caution]:
    _, now = about.profits
    if not about.paid:
        return
    gross, flat = gross_payments(about.found, about.row), about.row.flat_payments
    lump = np.zeros(2) if flat is None else flat
    size = np.maximum(gross, np.abs(lump))
    share = np.where(now > 0, size / np.where(now > 0, now, 1.0), 0.0)
    i = int(share.argmax())
    if share[i] > LARGE:
        verb = (
            "is paid"
            if gross[i] >= abs(lump[i])
            else "receives a lump sum of"
            if lump[i] > 0
            else "pays a lump sum of"
        )
        alike = max(abs(size[0] - size[1]), abs(lump[0] - lump[1])) <= about.zero
        who = "each firm" if alike else about.say.firm(i)
        back = (
            f", of which {amount(abs(float(lump[i])))} comes back as a lump sum"
            if gross[i] >= abs(lump[i]) and lump[i] < -about.zero
            else ""
        )
        text = (
            f"sums are large: {who} {verb} {about.say.money(float(size[i]))}, {share[i]:.0%} of its"
            f" profit today{back}"
        )
        yield Caution(code="large_transfers", text=text, amount=float(size[i]))


def _far(about: _About) -> Iterator[Caution]:
    e, today = about.row.expected, about.found.today.expected
    assert e is not None
    assert today is not None
    then, now = float(np.sum(e.investment_cost)), float(np.sum(today.investment_cost))
    if then <= max(FAR * now, about.zero):
        return
    text = (
        f"firms would spend {then / now:.0f} times as much on security as today"
        if now > about.zero
        else "firms spend next to nothing on security today"
    )
    yield Caution(
        code="far_from_today",
        text=f"{text}: so far from it all figures rest on the assumed forms of demand and cost",
        amount=then / now if now > about.zero else None,
    )


OF_RATES, NO_OTHER = (
    "no firm gains by other levels at these rates",
    "that no other rates would be worth more",
)
"""What is searched for of rates."""


def _searched(about: _About) -> Iterator[Caution]:
    found, policy = about.found, about.policy
    reason = ""
    if policy.source == "regime":
        if found.types is not None or found.regimes[policy.key].certificate.scope == "searched":
            reason = "firms end at no other levels"
    elif policy.source == "full_information" and found.full_information is not None:
        if found.full_information.regulated.certificate.scope == "searched":
            reason = "no firm gains by other levels"
    elif policy.source == "rates" and found.attainable is not None:
        best, scope = found.attainable, found.regimes[GOAL].certificate.scope
        proven = bool(best.proven[0]) and float(best.weight[0]) == 1 and scope == "proven"
        reason = OF_RATES if proven else f"{OF_RATES} and {NO_OTHER}"
    elif policy.source == "rates":
        reason = f"{OF_RATES} and {NO_OTHER}"
    else:
        reason = (
            "no firm gains by other levels or reports"
            if about.paid
            else "firms end at no other levels"
        )
    if reason:
        yield Caution(
            code="searched",
            text=f"that {reason} rests on a wide search, not on a proof",
            amount=None,
        )


FINDERS = (
    *(
        _consumers,
        _security,
        _losers,
        _not_truthful,
        _side_payments,
        _not_self_enforcing,
        _dispensable,
        _price_temptation,
    ),
    *(_others, _collusion, _members_know, _driven_out, _far, _selective, _large, _searched),
)
"""What looks for cautions, the most important first."""


# --- numbers behind them


def held_together(found: Evaluation, row: ComparisonRow) -> Breaking | None:
    """What holds an agreement together: at the case's own parameters or, where types are private,
    in expectation over those that its members then know; None where at some of them it, or the
    market as it is, has no levels."""
    case, regime, types = found.case.market.flat(), REGIMES[row.policy.key], found.types
    charged = found.ranked.standard.fees and row.net_transfer is not None
    fees = (
        np.maximum(-row.net_transfer, 0.0)
        if charged and row.net_transfer is not None
        else np.zeros(2)
    )
    if types is None:
        agreed, today = (found.regimes[key].levels for key in (regime.key, TODAY))
        if agreed is None or today is None:
            return None
        return breaking(case, regime, agreed[None], today[None], np.ones(1), fees)
    first, second = (index.ravel() for index in np.indices((len(types.nodes), len(types.nodes))))
    weight = types.probabilities[first] * types.probabilities[second]
    agreed, today = (
        allocate(case, types.types, key, types.parameter).levels[first, second]
        for key in (regime.key, TODAY)
    )
    if not (np.isfinite(agreed).all() and np.isfinite(today).all()):
        return None
    return breaking(
        case_at_pairs(case, types.types, types.parameter).flat(),
        regime,
        agreed,
        today,
        weight,
        fees,
    )


def gross_payments(found: Evaluation, row: ComparisonRow) -> Array:
    """(2,): what passes between each firm and the public before any flat part, payments and charges
    counted alike. Money."""
    assert row.expected is not None
    if row.policy.source == "rates" and found.types is None and found.rates is not None:
        return np.abs(found.rates.rates * found.rates.levels).sum(-1)
    return np.abs(np.asarray(row.expected.net_transfer, float))


NEAR = 1e-3
"""Natural units up to which levels still move where rounds of best replies end and Newton's method
finishes: every reply is a search."""


def other_equilibria_at_rates(found: Evaluation) -> tuple[Solution, ...]:
    """The equilibria of the market at the rates per unit beside the levels aimed at, that a search
    from all over the levels finds."""
    if found.rates is None or found.rates.status != "holds":
        return ()
    own, x_star = found.case.market.flat(), found.rates.levels
    units = natural_units(own)
    case, aimed = in_units(own, units), levels_in(x_star[None], units)
    game = subsidised_game(case, rates_in(found.rates.rates, units), aimed)
    starts = starting_levels(case, utility_matrix(case, bertrand_matrix))[0]
    known = [levels(np.full(2, share), aimed[0, INVESTMENT]) for share in (0.0, 1.0)]
    known += [
        levels_in(one.levels[None], units)[0]
        for one in found.regimes.values()
        if one.status in SOLVED and one.levels is not None
    ]
    reached = find_equilibria(
        game, np.concatenate([starts, np.stack(known)]), DEFAULT, rounds=12, settled=NEAR
    )
    apart = (np.abs(reached.x - aimed) > DEFAULT.distinct * np.maximum(1.0, np.abs(aimed))).any(-1)
    real = account(case, reached.x, bertrand_matrix).describes_market
    return tuple(
        other_point(own, bertrand_matrix, x) for x in levels_from(reached.x[apart & real], units)
    )
