"""The recommendation of a case in words, the answer first: at most seven lines that say what to do,
what it is worth and to whom, what it costs when everybody takes part, what each thing asked for
adds, what decided, what would overturn it, and what to know beside it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.model.case import Array
from market.text import capitalised
from mechanism.casefile.policies import GOAL, TODAY, policy_of
from mechanism.casefile.standard import CONSUMERS_LOSE, SAME, UNMEASURABLE, Standard
from mechanism.casefile.types import PRIVATE
from mechanism.design.options import WhyNot
from mechanism.design.rules import TAX_RULES
from mechanism.ranking.contenders import as_found, known_policies
from mechanism.ranking.flat_parts import net_when_all_join
from mechanism.ranking.recommendation import (
    SAID,
    Recommendation,
    Robust,
    Switch,
    recommended,
)
from mechanism.rates.instruments import investment_rates, sharing_rates
from mechanism.report.cautions import cautions, gross_payments
from mechanism.report.over_draws import chances
from mechanism.report.overturned import told_overturned
from mechanism.report.rungs import ASKS, called, told_ladder
from mechanism.report.words import CONSUMERS, Words, amount, listed

if TYPE_CHECKING:
    from mechanism.report.results import ComparisonRow, Evaluation
    from mechanism.scheme.behaviour import ExpectedOutcome


def recommend(
    found: Evaluation,
    switching: tuple[Switch, ...] = (),
    robust: Robust | None = None,
    varied: bool = False,
) -> Recommendation:
    """What to do about a case, with its cautions and in words; `switching` and `robust`, where
    asked, say what would overturn it, `varied` whether numbers of the market were looked at."""
    plain = replace(
        recommended(found.ranked, _no_advice(found)),
        switching=switching,
        robust=robust,
        varied=varied,
    )
    if plain.policy is not None:
        plain = replace(plain, cautions=cautions(found, plain.policy))
    return replace(plain, text=lines(found, plain))


def lines(found: Evaluation, told: Recommendation) -> tuple[str, ...]:
    """The answer, at most seven lines."""
    said = parts(found, told)
    over = " ".join(filter(None, (said.pop("sure", ""), said.pop("overturned", ""))))
    beside = said.pop("beside", "")
    return tuple(line for line in (*said.values(), over, beside) if line)


def parts(found: Evaluation, told: Recommendation) -> dict[str, str]:
    """The answer by what each part says, in the order it is read: `do`, `worth`, `cost`, `ladder`,
    `decided`, `sure`, `overturned`, `beside`; empty where there is nothing to say. Without advice
    `do`, `mend` and `otherwise`, and `sure`."""
    say = Words(found.case.units.money, found.case.market.firms)
    if told.policy is None:
        mend, otherwise = _without_advice(found, say)
        out = {"do": f"No advice: {told.no_advice}.", "mend": mend, "otherwise": otherwise}
        return {**out, "sure": _sure(found, say)}
    row = found.rows[told.policy.key]
    return {
        "do": _what(found, row, say),
        "worth": _worth(found, row, say),
        "cost": _cost(found, row, say),
        "ladder": told_ladder(found, told),
        "decided": " ".join(_decided(found, told, row, say)),
        "sure": _sure(found, say),
        "overturned": told_overturned(found, told),
        "beside": _beside(told),
    }


# --- no advice


def _no_advice(found: Evaluation) -> str:
    """Why there is no advice, where there is none."""
    today, goal = found.today, found.rows[GOAL]
    if today.expected is None:
        return f"{today.policy.phrase} has no outcome to compare with"
    if goal.expected is None:
        told = "the planner's problem, on which subsidies and taxes rest, has no solution"
        place = [row.policy.key for row in found.comparison].index(GOAL)
        why = found.ranked.contenders[place].columns.get("message")
        return told if found.types is None or why is None else f"{told} {why[0]}"
    endless = [row.policy.phrase for row in found.comparison if row.status == "unbounded"]
    return (
        f"the problem of {listed(endless)} has no limit"
        if endless
        else "no policy can be chosen here"
    )


def _without_advice(found: Evaluation, say: Words) -> tuple[str, str]:
    """What would mend the case, in the words of what has no outcome; and what can be said all the
    same. Empty where there is nothing to say."""
    key = TODAY if found.today.expected is None else GOAL
    reasons = [key, *(row.policy.key for row in found.comparison if row.status == "unbounded")]
    told = [
        found.regimes[k].message for k in reasons if k in found.regimes and found.regimes[k].message
    ]
    mend = ""
    if told and told[0]:
        mend = capitalised(told[0]) + ("" if told[0].endswith(".") else ".")
    today = found.today.value
    known = [row for row in found.comparison if row.competes and row.value is not None]
    if today is not None and known:
        best = max(known, key=lambda row: row.value or 0.0)
        gain = (best.value or 0.0) - today
        if best.policy.key != found.today.policy.key and gain > SAME * float(found.ranked.scale[0]):
            text = (
                f"Of what needs no public money {best.policy.phrase} would be worth most,"
                f" {say.money(gain)} more than today's market"
            )
            return mend, f"{text}, but that is no advice: whether money does better, is not known."
    return mend, ""


# --- what to do


def _what(found: Evaluation, row: ComparisonRow, say: Words) -> str:
    policy = row.policy
    if policy.source == "rates":
        text = _rates(found, say)
    elif policy.key in TAX_RULES and found.case.types is not None:
        private = PRIVATE[found.case.types.parameter]
        text = (
            f"ask both firms to report their {private.label} ({private.meaning}), have them share"
            f" and invest by the reports, and settle up with {TAX_RULES[policy.key].phrase}"
        )
    else:
        text = policy.doing
    if row.flat_payments is not None and policy.requires in ("money", "reports"):
        zero = SAME * float(found.ranked.scale[0])
        text += flat_parts_told(row.flat_payments, zero, say)
    standard = found.ranked.standard
    judged = judged_by(standard, found.case.types is not None)
    on_average = " on average" if found.case.types is not None else ""
    floor = "" if standard.consumers_may_lose else f"; consumers may not lose{on_average}"
    return f"{capitalised(text)}. The standard: {judged}{floor}."


def _rates(found: Evaluation, say: Words) -> str:
    """The rates per unit, a negative one being a tax."""
    fixed = found.rates_under_types
    if fixed is not None and not isinstance(fixed, WhyNot):
        rates, when = fixed.rates, ", fixed before firms learn what they alone know,"
    else:
        assert found.rates is not None
        rates, when = found.rates.rates, ""
    each = {"investment": investment_rates(rates), "sharing": sharing_rates(rates)}
    smallest = 1e-9 * float(np.abs(rates).max())
    each = {unit: pair for unit, pair in each.items() if np.abs(pair).max() > smallest}
    taxed = any((pair < -smallest).any() for pair in each.values())
    told = listed([_rate(pair, unit, taxed, say) for unit, pair in each.items()])
    return f"set{when} {told}" if taxed else f"pay plain subsidies{when} of {told}"


def _rate(pair: Array, unit: str, named: bool, say: Words) -> str:
    """What both firms are paid, or pay, per unit of something; which of it, is said where
    `named`."""

    def one(rate: float, text: str) -> str:
        return f"a {'tax' if rate < 0 else 'subsidy'} of {text}" if named else text

    first, second = (float(rate) for rate in pair)
    if abs(first - second) <= 1e-6 * np.abs(pair).max():
        return f"{one(first, say.money(abs(first)))} per unit of {unit}"
    told = [
        one(rate, f"{amount(abs(rate))} ({say.firm(i)})") for i, rate in enumerate((first, second))
    ]
    return f"{listed(told)} {say.unit + ' ' if say.unit else ''}per unit of {unit}"


def flat_parts_told(flat: Array, zero: float, say: Words) -> str:
    """What is to be paid or charged beside what depends on levels or reports."""
    one, other = (float(value) for value in flat)
    doing = ["pay" if value > 0 else "charge" for value in (one, other)]
    sums = [say.money(abs(one)), say.money(abs(other))]
    if max(abs(one), abs(other)) <= zero:
        return ""
    if abs(one - other) <= zero:
        return f", and {doing[0]} each firm a lump sum of {sums[0]}"
    if min(abs(one), abs(other)) <= zero:
        i = int(abs(other) > abs(one))
        return f", and {doing[i]} {say.firm(i)} a lump sum of {sums[i]}"
    again = "" if doing[0] == doing[1] else f"{doing[1]} "
    return (
        f", and {doing[0]} {say.firm(0)} a lump sum of {sums[0]} and {again}{say.firm(1)} one of"
        f" {sums[1]}"
    )


# --- what it is worth, and to whom


def judged_by(standard: Standard, private: bool) -> str:
    """The standard in words."""
    weight, cost = float(standard.profit_weight), float(standard.public_funds_cost)
    if standard.fees and not private:
        text = "firms' gains over today being charged, what profits count does not matter"
    elif weight == 1:
        text = "consumers and profits count alike"
    else:
        text = (
            f"a unit of profit counts {weight:g} of one of consumers'"
            if weight
            else "profits do not count"
        )
    return text + (
        f", a unit of public money {1 + cost:g}" if cost else ", public money at its face value"
    )


def _each(values: Array, zero: float, say: Words) -> str:
    """What each firm gains or loses."""
    one, other = (float(value) for value in values)
    if abs(one - other) <= zero:
        return say.gains("each firm", one, zero)
    return listed([say.gains(say.firm(i), float(values[i]), zero) for i in (0, 1)])


def _worth(found: Evaluation, row: ComparisonRow, say: Words) -> str:
    """What it brings against today's market, and to whom."""
    now, zero = found.today, SAME * float(found.ranked.scale[0])
    assert row.value is not None
    assert now.value is not None
    if row.policy.key == now.policy.key:
        return (
            "Nobody pays, gains or loses by that: nothing else is worth enough more to be asked"
            " for."
        )
    e, before = row.expected, now.expected
    assert e is not None
    assert before is not None
    assert row.net_transfer is not None
    gain = row.value - now.value
    share = (
        f" ({gain / float(found.ranked.scale[0]):.1%} of today's welfare)"
        if found.ranked.scale[0] > 0
        else ""
    )
    when = "on average " if found.case.types is not None else ""
    kept = np.asarray(e.profit + row.net_transfer - before.kept, float)
    parts = [
        say.gains(CONSUMERS, float(e.consumer_surplus - before.consumer_surplus), zero),
        _each(kept, zero, say),
    ]
    outlay = row.outlay_joined or 0.0
    cost = float(found.ranked.standard.public_funds_cost)
    paid = f"taxpayers {'pay' if outlay > 0 else 'receive'} {amount(abs(outlay))}"
    if cost:
        paid += f", which counts as {amount((1 + cost) * abs(outlay))}"
    parts.append("taxpayers pay nothing" if abs(outlay) <= zero else paid)
    more = "more" if gain >= 0 else "less"
    return (
        f"It is {when}worth {say.money(abs(gain))} a period {more} than today's market{share}:"
        f" {', '.join(parts)}. {_levels(e, before, say)}"
    )


def _levels(then: ExpectedOutcome, now: ExpectedOutcome, say: Words) -> str:
    """What firms would do, beside what they do today."""
    done = np.array([then.investment, now.investment, then.sharing, now.sharing], float)

    def told(who: str, each: Array) -> str:
        t, before, s, shared = (amount(float(level)) for level in each)
        return (
            f"{who} would invest {t} instead of {before} and share {s} of what it learns instead of"
            f" {shared}"
        )

    alike = np.abs(done[:, 0] - done[:, 1]) <= SAME * np.abs(done).max()
    if alike.all():
        return f"{capitalised(told('each firm', done[:, 0]))}."
    return f"{capitalised('; '.join(told(say.firm(i), done[:, i]) for i in (0, 1)))}."


# --- what it costs when everybody takes part


def _cost(found: Evaluation, row: ComparisonRow, say: Words) -> str:
    requires = row.policy.requires
    if requires == "permission":
        return _between_members(found, row, say)
    if requires not in ("money", "reports"):
        return ""
    assert row.expected is not None
    assert row.net_transfer is not None
    zero = SAME * float(found.ranked.scale[0])
    flat = np.zeros(2) if row.flat_payments is None else row.flat_payments
    before = float(row.expected.net_transfer.sum())
    parts = []
    if np.abs(row.expected.net_transfer).max() > zero:
        what = (
            "The payments per unit"
            if row.policy.source == "rates"
            else "The payments by the reports"
        )
        parts.append(
            f"{what} {'come to' if before >= 0 else 'bring in'} {say.money(abs(before))} a period"
        )
    elif row.policy.source == "rates":
        parts.append(
            "Payments and taxes per unit come to"
            f" {say.money(float(gross_payments(found, row).sum()))} and cancel"
        )
    else:
        parts.append("By itself it moves no money on balance")
    if np.abs(flat).max() > zero:
        parts.append(_lump_sums(flat, zero, say))
    text = "; ".join(parts)
    outlay = row.outlay_joined or 0.0
    if abs(outlay) <= zero:
        text += ", so that the public pays nothing"
    elif outlay > 0:
        text += (
            f", so that the public pays {say.money(outlay)} in"
            f" all{_split(row.net_transfer, outlay, zero, say)}"
        )
    else:
        text += f", so that the public receives {say.money(-outlay)}"
    if abs(outlay) <= zero and before < -zero and float(flat.sum()) > zero:
        # more than joining asks for
        return f"{text}. Unless fees are allowed, what firms pay is handed back to them in full."
    return f"{text}. {_why_so_much(found.ranked.standard, private=found.types is not None)}"


def _lump_sums(flat: Array, zero: float, say: Words) -> str:
    """The flat parts: who pays or receives how much."""
    one, other = (float(value) for value in flat)
    if abs(one - other) <= zero:
        return (
            f"each firm then {'receives' if one > 0 else 'pays back'} a lump sum of"
            f" {amount(abs(one))}"
        )
    told = [
        f"{say.firm(i)} {'receives' if f > 0 else 'pays back'} {amount(abs(f))}"
        for i, f in enumerate((one, other))
        if abs(f) > zero
    ]
    return f"in lump sums {listed(told)}"


def _split(net: Array, outlay: float, zero: float, say: Words) -> str:
    """What of an outlay goes to whom."""
    if abs(float(net[0] - net[1])) <= zero:
        return ", half of it to each firm"
    told = [
        f"{amount(abs(float(net[i])))} {'to' if net[i] > 0 else 'from'} {say.firm(i)}"
        for i in (0, 1)
        if abs(net[i]) > zero
    ]
    return f", {listed(told)}"


def _why_so_much(standard: Standard, private: bool) -> str:
    """What the lump sums are set by."""
    if standard.participation == "none":
        return "Nobody may refuse."
    if standard.participation == "ir2":
        return (
            "That is the least with which no firm would rather leave the market: exit, not refusal,"
            " is all a firm can threaten with."
        )
    if standard.participation == "ir1":
        return "That is the least with which no firm is charged anything on balance."
    who = "every type of both firms takes" if private else "both firms take"
    return f"That is the least with which {who} part" + (
        ", their gains over today being charged." if standard.fees else "."
    )


def _between_members(found: Evaluation, row: ComparisonRow, say: Words) -> str:
    """Of an agreement: what each member has of it before any payment, and what must pass between
    them."""
    assert row.expected is not None
    assert row.net_transfer is not None
    assert found.today.expected is not None
    zero = SAME * float(found.ranked.scale[0])
    gain = np.asarray(row.expected.profit - found.today.expected.kept, float)
    text = f"By itself {_each(gain, zero, say)}"
    losers = [i for i in (0, 1) if gain[i] < -zero]
    if len(losers) == 1:
        text += (
            f", so that {say.firm(1 - losers[0])} must pass {say.money(-float(gain[losers[0]]))} on"
            f" to {say.firm(losers[0])}"
        )
    elif not losers:
        text += ", without any payment between them"
    fee = -float(row.net_transfer.sum())
    return text + (
        f"; the members pay a fee of {say.money(fee)} for the permission."
        if fee > zero
        else ". It costs the public nothing."
    )


# --- what decided


def _decided(found: Evaluation, told: Recommendation, row: ComparisonRow, say: Words) -> list[str]:
    """What was given up for asking less, and what protecting consumers costs."""
    zero, standard = SAME * float(found.ranked.scale[0]), found.ranked.standard
    out = []
    # what leads to the same levels has its name from the ladder
    best = max(told.ladder, key=lambda rung: -np.inf if rung.value is None else rung.value).policy
    assert best is not None
    top = found.rows[best.key]
    assert row.value is not None
    assert top.value is not None
    assert found.today.value is not None
    more = top.value - row.value
    if more > zero:
        gain = top.value - found.today.value
        share = standard.materiality
        if more <= share * gain:
            why = f"less than {share:.0%} of the {amount(gain)} that it brings in all"
        else:
            why = f"less than {UNMEASURABLE:.1%} of today's welfare, a gain nobody could measure"
        asks = ""
        if row.policy.key == found.today.policy.key:
            asks = ": too little to ask anything for"
        elif top.policy.requires != row.policy.requires:
            asks = f": too little to ask for {ASKS[top.policy.requires or 'nothing']}"
        elif (top.outlay_joined or 0.0) > (row.outlay_joined or 0.0) + zero:
            dearer = (top.outlay_joined or 0.0) - (row.outlay_joined or 0.0)
            asks = f": too little for what it costs the public, {amount(dearer)} more"
        out.append(
            f"{capitalised(called(top.policy))}, the best that can be chosen, would bring"
            f" {say.money(more)} more, {why}{asks}."
        )
    if told.equivalent:
        names = listed([called(policy) for policy in told.equivalent])
        out.append(f"{capitalised(names)} would lead to the same levels at no lower cost.")
    clause = protection(found)
    if clause is not None and clause > zero:
        spares = max(
            (one for one in found.comparison if one.competes),
            key=lambda one: -np.inf if one.value is None else one.value,
        )
        brings = "" if spares.policy.key == found.today.policy.key else " would bring"
        out.append(
            f"If consumers were allowed to lose, {say.money(clause)} more could be had than"
            f" {called(spares.policy)}{brings}, the best that spares them."
        )
    return out


def protection(found: Evaluation) -> float | None:
    """What it costs that no policy competes by which consumers lose: V of the best otherwise less V
    of the best that competes. At known types rates are chosen anew without that condition; None
    where it is not asked, or nothing competes.
    """
    standard, ranked = found.ranked.standard, found.ranked
    able = [row.value for row in found.comparison if row.competes and row.value is not None]
    if standard.consumers_may_lose or not able:
        return None
    rows = [
        row
        for row in found.comparison
        if row.why_not is not None and row.why_not.code == CONSUMERS_LOSE
    ]
    barred = [row.value for row in rows if row.value is not None]
    if found.attainable is not None and bool(found.attainable.consumers[0]):
        free = replace(standard, allow=standard.allow | {CONSUMERS_LOSE})
        solved = {
            row.policy.key: as_found(found.regimes[row.policy.key])
            for row in found.comparison
            if row.policy.source == "regime"
        }
        known = known_policies(
            found.case.market.flat(), solved, [policy_of("linear_subsidies")], free
        )
        (rates,) = known.contenders
        if rates.solved[0]:
            net = net_when_all_join(rates, free, ranked.contenders[ranked.today].expected.kept)
            kept, outlay = float((rates.expected.profit + net).sum()), float(net.sum())
            barred.append(
                float(free.value(np.asarray(rates.expected.consumer_surplus)[0], kept, outlay))
            )
    return max(0.0, max(barred) - max(able)) if barred else None


# --- what would overturn it


def _sure(found: Evaluation, say: Words) -> str:
    """How sure it is, where the case says what is not known exactly."""
    zero = SAME * float(found.ranked.scale[0])
    return "" if found.uncertainty is None else chances(found.uncertainty, say, zero)


# --- what to know beside it


def _beside(told: Recommendation) -> str:
    if not told.cautions:
        return ""
    said = [capitalised(caution.text) for caution in told.cautions[:SAID]]
    more = len(told.cautions) - len(said)
    rest = f" {more} more caution{'s stand' if more > 1 else ' stands'} below." if more else ""
    return f"But: {'. '.join(said)}.{rest}"
