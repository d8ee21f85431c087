"""What the numbers mean, in words a regulator uses. Reads an evaluation; computes nothing new."""

from __future__ import annotations

from math import isfinite

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array, Case
from market.model.outcome import SOLVED, Certificate, Outcome
from market.model.pricing import rivalry_bound
from market.model.units import natural_units
from market.regimes import REGIMES
from mechanism.casefile.policies import GOAL, PRIVATE_MARKET, TODAY, agreements, policy_of
from mechanism.casefile.proportions import misfits, scaling
from mechanism.casefile.uncertainty import left_unused
from mechanism.design.checks import JointLie, Lie, Refusal
from mechanism.design.rules import TAX_RULES
from mechanism.rates.instruments import LinearSubsidies
from mechanism.report.results import Evaluation
from mechanism.report.words import NEGLIGIBLE, OUTSIDE, Sentence, Words, amount
from mechanism.scheme.full_information import FullInformation, Joining
from mechanism.scheme.rule_results import NOT_SETTLED, RuleResult

LARGE = 1e10
"""Welfare, natural units, beside which the digits of levels are lost."""


def verdicts(found: Evaluation) -> list[Sentence]:
    """The findings of a case, most important first."""
    say = Words(found.case.units.money, found.case.market.firms)
    out = _possible_gain(found, say)
    out += _alliances(found, say)
    out += _unsolved(found)
    full = found.full_information
    if full is not None and full.regulated.solved:
        out += _full_information(full, found, say)
    if found.rates is not None:
        out += _rates(
            found.rates,
            found.row_from("rates").policy.code,
            say,
            private=found.types is not None,
            aim=_aim(found.rates, found.regimes[GOAL]),
        )
    out += _losses(found, say)
    if found.own is not None:
        for rule in found.found_rules.values():
            out += _reported(rule, say, own=rule is found.own)
    elif why := found.why_not.get(key := found.case.mechanism.tax_rule):
        out.append(
            Sentence(
                code="no_rule",
                text=f"There is no result for the case's own tax rule ({key}): {why.text}.",
            )
        )
    return out


def _possible_gain(found: Evaluation, say: Words) -> list[Sentence]:
    today, best = found.rows[TODAY], found.rows[GOAL]
    if today.welfare is None or best.expected is None or best.change is None:
        return []
    gain, welfare = best.change.welfare, best.expected.welfare
    corner = " with everything shared" if (best.expected.sharing == 1).all() else ""
    text = (
        f"Today's market yields welfare of {say.money(today.welfare)}. With the levels a planner"
        f" would choose{corner} it would be {say.money(welfare)}: {say.money(gain)} more"
        f" ({gain / abs(today.welfare):.1%}), at the prices firms set themselves."
    )
    return [Sentence(code="possible_gain", text=text)]


def _alliances(found: Evaluation, say: Words) -> list[Sentence]:
    out = []
    for agreed in agreements():
        row = found.rows[agreed.key]
        if row.change is None or row.welfare is None:
            continue
        change, consumers, share = (
            row.change.welfare,
            row.change.consumer_surplus,
            row.share_of_gain,
        )
        zero = NEGLIGIBLE * abs(row.welfare)
        name = agreed.phrase.capitalize()
        if abs(change) <= zero:
            text = f"{name} changes nothing."
        else:
            losers = [
                f", {say.firm(i)} loses {say.money(-c)}"
                for i, c in enumerate(row.change.profit)
                if c < -zero
            ]
            moved = "raises" if change > 0 else "LOWERS"
            part = (
                f" ({share:.0%} of the possible gain)" if share is not None and change > 0 else ""
            )
            side = "gain" if consumers > 0 else "lose"
            text = (
                f"{name} {moved} welfare by {say.money(abs(change))}{part}; consumers {side}"
                f" {say.money(abs(consumers))}{''.join(losers)}."
            )
        out.append(Sentence(code=agreed.code, text=text))
    return out


def _unsolved(found: Evaluation) -> list[Sentence]:
    firms = found.case.market.firms
    reasons = [
        (key, outcome.status, outcome.message)
        for key, outcome in found.regimes.items()
        if not outcome.solved
    ]
    if found.private_asked and found.private_market is None:
        reasons.append((PRIVATE_MARKET, "no_equilibrium", NOT_SETTLED))
    return [
        Sentence(
            code=f"{key}_{status}",
            text=f"There is no figure for {policy_of(key, firms).phrase} ({status}): {message}.",
        )
        for key, status, message in reasons
    ]


# --- everything known


def _full_information(full: FullInformation, found: Evaluation, say: Words) -> list[Sentence]:
    gap, others = full.welfare_gap, full.regulated.certificate.others
    if abs(gap) <= 1e-9 * abs(found.regimes[GOAL].welfare):
        text = (
            "With full information, the subsidy and tax make the planner's optimum an equilibrium:"
            " best replies stay there, and what each firm receives equals what it pays."
        )
    else:
        text = (
            "With full information, best replies from the planner's optimum end elsewhere,"
            f" {say.money(gap)} of welfare below it."
        )
    out = [Sentence(code="full_information", text=text)]
    if others:
        worst = min(other.welfare for other in others)
        text = (
            f"It is not the only equilibrium: {len(others)} other{'s' if len(others) > 1 else ''}"
            f" {'were' if len(others) > 1 else 'was'} found, the worst with welfare of"
            f" {say.money(worst)}. The scheme alone does not rule out that firms settle there."
        )
        out.append(Sentence(code="coordination_failure", text=text))
    form = found.case.mechanism.participation
    if form == "none":
        return out
    # These are figures of one state, the case's own parameters, also where the comparison is in
    # expectation.
    at = " at the case's own parameters" if found.types is not None else ""
    joining = full.joining[form]
    if joining.check.status == "violated":
        out.append(Sentence(code=f"{form}_violated", text=_refusal(joining, full, found, at, say)))
    elif joining.check.status == "holds":
        text = (
            f"Every firm is at least as well off under the scheme{at} as with"
            f" {OUTSIDE[form].against}."
        )
        out.append(Sentence(code=f"{form}_holds", text=text))
    return out


def _refusal(
    joining: Joining, full: FullInformation, found: Evaluation, at: str, say: Words
) -> str:
    """Who would not join, and what would change that."""
    assert joining.slack is not None
    assert joining.correction is not None
    losing = [i for i, slack in enumerate(joining.slack) if slack < 0]
    losers = " and ".join(
        f"{say.firm(i)} falls short by {say.money(-joining.slack[i])}" for i in losing
    )
    who = "Both firms" if len(losing) == 2 else say.opening(losing[0])
    total, options = float(joining.correction.sum()), found.case.mechanism
    if joining.balanced:
        source = "the other firm could pay for it"
    else:
        burden = options.public_funds_cost
        source = "the firms together lose, so the public would have to pay"
        source += (
            f", at a burden of {say.money(burden * total)} beyond the sum itself"
            if burden > 0
            else ""
        )
        today, regulated = found.regimes[TODAY].accounts, full.regulated.accounts
        if today is not None and regulated is not None:
            consumers = float(regulated.consumer_surplus.sum()) - float(
                today.consumer_surplus.sum()
            )
            source += (
                f"; consumers {'gain' if consumers >= 0 else 'lose'} {say.money(abs(consumers))}"
                " from the scheme"
            )
    text = (
        f"{who} would rather not join{at}: against {OUTSIDE[options.participation].against}"
        f" {losers}. "
    )
    return f"{text}Lump sums of {say.money(total)} in all would change that; {source}."


def _aim(found: LinearSubsidies, optimum: Outcome) -> str:
    """The levels that rates aim at, in words: not the planner's where public money is dear, or
    consumers would lose by those."""
    if optimum.levels is not None and np.allclose(
        found.levels, optimum.levels, rtol=1e-6, atol=1e-12
    ):
        return "the planner's levels"

    def each(levels: Array) -> str:
        return " / ".join(amount(float(level)) for level in levels)

    shared, invested = each(found.levels[SHARING]), each(found.levels[INVESTMENT])
    return f"the levels of the highest value (sharing {shared}, investment {invested})"


def _rates(
    found: LinearSubsidies, code: str, say: Words, private: bool, aim: str
) -> list[Sentence]:
    """What a plain subsidy per unit would have to be, and whether it does."""
    invested, shared = (tuple(float(found.rates[i, first + i]) for i in (0, 1)) for first in (2, 0))

    def rate(each: tuple[float, ...], unit: str) -> str:
        one, other = each
        if abs(one - other) <= 1e-6 * max(abs(one), abs(other)):
            return f"{say.money(one)} per unit of {unit}"
        return (
            f"{say.money(one)} ({say.firm(0)}) and {say.money(other)} ({say.firm(1)}) per unit of"
            f" {unit}"
        )

    rates = f"{rate(invested, 'investment')} and {rate(shared, 'sharing')}"
    if found.status != "holds":
        text = (
            f"No plain subsidy or tax per unit leads to {aim}: at {rates} some firm would still"
            " rather choose others."
        )
        return [Sentence(code=f"{code}_fail", text=text)]
    where = " at the case's own parameters" if private else ""
    kind = "subsidies" if min(*invested, *shared) >= 0 else "subsidies (negative: taxes)"
    text = f"Plain {kind} of {rates}, without any report, also make {aim} an equilibrium{where}"
    text += (
        f"; they cost the public {say.money(found.outlay)}."
        if found.outlay > 0
        else f"; they bring in {say.money(-found.outlay)}."
    )
    if found.participation_gain is not None:
        least = float(found.participation_gain.min())
        text += (
            " Both firms gain."
            if least >= 0
            else f" The worse-off firm loses {say.money(-least)} against today's market."
        )
    return [Sentence(code=code, text=text)]


def _losses(found: Evaluation, say: Words) -> list[Sentence]:
    optimum = found.regimes[GOAL]
    losers = [
        f"{say.firm(i)} ({say.money(p)})"
        for i, p in enumerate(optimum.profit)
        if optimum.accounts is not None and p < 0
    ]
    if not losers:
        return []
    text = (
        f"At the planner's optimum {' and '.join(losers)} would run a loss: without a lump sum a"
        " firm that may leave the market leaves."
    )
    return [Sentence(code="loss_at_optimum", text=text)]


# --- types private


def _reported(found: RuleResult, say: Words, own: bool) -> list[Sentence]:
    status = found.checks.ic.status
    out = []
    if status == "holds":
        out.append(
            Sentence(
                code=f"{found.tax_rule}_truthful",
                text=f"{_truth(found, say)} {_budget(found, say)}",
            )
        )
    elif status == "violated":
        out.append(Sentence(code=f"{found.tax_rule}_not_truthful", text=_lie(found, say)))
        out += _behaviour(found, say)
    if own or status == "holds":
        out += _joining(found, say)
    return out + _collusion(found, say) if own else out


def _truth(found: RuleResult, say: Words) -> str:
    """How far truth is a best reply."""
    name, space = TAX_RULES[found.tax_rule].phrase, found.continuum
    if space is not None and space.ic.status == "violated" and space.ic.amount is not None:
        gain = say.money(space.ic.amount)
        return (
            f"With {name}, truth is a best reply at the types checked; between them a lie gains up"
            f" to {gain}."
        )
    whatever = (
        ", whatever the rival says and whatever levels the firm then picks"
        if found.checks.dominant_whatever_levels
        else ""
    )
    return f"With {name}, truth is a best reply{whatever}."


def _budget(found: RuleResult, say: Words) -> str:
    """What the public pays at the truth, in expectation and at worst."""
    outlay, worst, zero = (
        found.expected.budget,
        found.checks.budget.worst,
        NEGLIGIBLE * abs(found.expected.welfare),
    )
    if abs(outlay) <= zero:
        then = "" if worst <= zero else f"; in the worst case the public pays {say.money(worst)}"
        return f"Its budget balances in expectation{then}."
    who = "costs the public" if outlay > 0 else "brings the public"
    then = f"the public pays {say.money(worst)}" if worst > 0 else f"it brings {say.money(-worst)}"
    return f"It {who} {say.money(abs(outlay))} in expectation; in the worst case {then}."


def _lie(found: RuleResult, say: Words) -> str:
    """Who gains what by which lie."""
    name, witness = TAX_RULES[found.tax_rule].phrase, found.checks.ic.witness
    if not isinstance(witness, Lie):
        return f"With {name}, firms do not tell the truth: what a lie gains has no limit."
    who, gain = f"{say.firm(witness.player)} of type {witness.type:.3g}", say.money(witness.gain)
    if found.played is not None and found.played.truthful:
        return (
            f"With {name}, truth is a best reply in expectation only: knowing what the rival"
            f" reports, {who} can gain {gain} by reporting {witness.report:.3g}."
        )
    return (
        f"With {name}, firms do not tell the truth: {who} gains {gain} by reporting"
        f" {witness.report:.3g}."
    )


def _behaviour(found: RuleResult, say: Words) -> list[Sentence]:
    played = found.played
    if played is None or played.truthful:
        return []
    if played.reports is None or played.expected is None or played.welfare_loss is None:
        text = "Best replies in reports cycle: what firms would report is not established."
    else:
        low, high = float(played.reports.min()), float(played.reports.max())
        what = (
            f"everybody reports {low:.3g}"
            if high - low < 1e-9
            else f"reports lie between {low:.3g} and {high:.3g}"
        )
        outlay = played.expected.budget
        text = (
            f"In the equilibrium that follows {what}, and welfare is"
            f" {say.money(played.welfare_loss)} below what truth would give"
        )
        big = abs(outlay) > NEGLIGIBLE * abs(played.expected.welfare)
        text += (
            f", while the public {'pays' if outlay > 0 else 'receives'} {say.money(abs(outlay))}."
            if big
            else "."
        )
        if played.others:
            text += " Other reports are an equilibrium too, of no higher joint payoff."
    return [Sentence(code=f"{found.tax_rule}_behaviour", text=text)]


def _joining(found: RuleResult, say: Words) -> list[Sentence]:
    rule, joins = TAX_RULES[found.tax_rule], found.checks.ir("ir_market")
    # Participation is judged at the truth; where firms would not tell it, that has to be said.
    when = f"Under {rule.label}" + (
        ", even if everybody told the truth," if found.checks.ic.status == "violated" else ""
    )
    counted = (
        " (counting revenue only, as (38) does: own cost is left out on both sides)"
        if found.payoff == "printed"
        else ""
    )
    out = []
    if joins.status == "violated" and isinstance(joins.witness, Refusal):
        text = (
            f"{when} some firms would rather not join: the worst off is"
            f" {say.firm(joins.witness.player)} of type {joins.witness.type:.3g}, which earns"
            f" {say.money(-joins.witness.slack)} less than in today's market{counted}."
        )
        out.append(Sentence(code=f"{rule.key}_ir_market_violated", text=text))
    elif joins.status == "holds":
        text = f"{when} every type is at least as well off as in today's market{counted}."
        out.append(Sentence(code=f"{rule.key}_ir_market_holds", text=text))
    return out + _repair(found, say)


def _repair(found: RuleResult, say: Words) -> list[Sentence]:
    rule, repair = TAX_RULES[found.tax_rule], found.repair
    if repair is None:
        return []
    goal = "truth-telling" + (" and participation" if repair.participation != "none" else "")
    if repair.status == "optimal" and repair.expected_outlay is not None:
        who = "cost" if repair.expected_outlay >= 0 else "bring"
        text = (
            f"Corrections of what a firm receives under {rule.label} can restore {goal}; they {who}"
            f" the public {say.money(abs(repair.expected_outlay))} in expectation."
        )
    elif repair.status == "infeasible":
        text = (
            f"No correction that depends on the own report alone restores {goal}; the conflicting"
            " constraints prove it."
        )
    else:
        text = f"Whether a correction restores {goal} is not established."
    return [Sentence(code=f"{rule.key}_repair_{repair.status}", text=text)]


def _collusion(found: RuleResult, say: Words) -> list[Sentence]:
    together, rule = found.checks.collusion, TAX_RULES[found.tax_rule]
    if (
        together.status != "violated"
        or not isinstance(together.witness, JointLie)
        or together.amount is None
    ):
        return []
    (one, other), (told, said) = together.witness.types, together.witness.reports
    text = (
        f"If the firms can agree on what to report, {rule.label} would not hold: types {one:.3g}"
        f" and {other:.3g} together gain {say.money(together.amount)} by reporting {told:.3g} and"
        f" {said:.3g}."
    )
    return [Sentence(code=f"{rule.key}_collusion", text=text)]


# --- what limits the answer


def warnings(found: Evaluation) -> list[Sentence]:
    """What limits the answer: assumptions of the paper that do not hold here, missing proofs,
    several solutions."""
    return (
        _units(found)
        + _uncertain(found)
        + _assumptions(found, found.case.market.flat())
        + _sizes(found)
        + _without_one(found)
        + _proofs(found)
    )


def _units(found: Evaluation) -> list[Sentence]:
    odd = misfits(found.case.market, found.case.resolved)
    if not odd:
        return []
    text = f"units look wrong: {'; '.join(one.text for one in odd)}. {scaling(found.case.resolved)}"
    return [Sentence(code="units_look_wrong", text=text)]


def _uncertain(found: Evaluation) -> list[Sentence]:
    text = None if found.uncertainty is not None else left_unused(found.case.uncertainty)
    return [] if text is None else [Sentence(code="uncertainty_not_used", text=text)]


def _assumptions(found: Evaluation, market: Case) -> list[Sentence]:
    out = []
    rivalry, spill = (a[0] + np.zeros(2) for a in (market.rivalry, market.demand_spillover))
    levels = found.regimes[TODAY].levels
    if levels is not None:
        bound = rivalry_bound(market, levels)[0]
        i = int((rivalry - bound).argmax())
        if rivalry[i] > bound[i]:
            text = (
                f"{_key_of('security.rivalry', market.rivalry, i)} = {rivalry[i]:g} exceeds the"
                f" paper's bound {bound[i]:.4g} (Assumption 1) at today's equilibrium: its"
                " comparisons between regimes are not guaranteed here"
            )
            out.append(Sentence(code="rivalry_above_bound", text=text))
    i = int(spill.argmin())
    if spill[i] < 0:
        text = (
            f"{_key_of('security.demand_spillover', market.demand_spillover, i)} = {spill[i]:g} is"
            " negative: the paper's propositions assume it positive"
        )
        out.append(Sentence(code="negative_spillover", text=text))
    return out


def _key_of(key: str, values: Array, firm: int) -> str:
    """The key of a firm's value; that of both firms where they share it."""
    return key if (values == values[..., :1]).all() else f"{key}[{firm}]"


def _sizes(found: Evaluation) -> list[Sentence]:
    today, best = found.regimes[TODAY], found.regimes[GOAL]
    out = []
    unit = natural_units(found.case.market).money.item()
    if today.solved and (size := abs(today.welfare) / unit) > LARGE:
        text = (
            f"today's welfare is {size:.0e} times intercept squared over own slope: tolerances are"
            " relative to payoffs, so levels and the list of other optima lose accuracy"
        )
        out.append(Sentence(code="units", text=text))
    if today.solved and best.solved and abs(best.welfare) > 5 * abs(today.welfare):
        text = (
            f"the planner's welfare is {best.welfare / today.welfare:.3g} times today's: cost.scale"
            " is close to where the planner's problem is unbounded, and figures there say more"
            " about that bound than about a market"
        )
        out.append(Sentence(code="nearly_unbounded", text=text))
    return out


def _without_one(found: Evaluation) -> list[Sentence]:
    """Choosers that would have more if a firm were out of the market."""
    say, out = Words(found.case.units.money, found.case.market.firms), []
    for key, outcome in found.regimes.items():
        left = outcome.certificate.leaving_out
        if left is not None:
            most = say.money(left.every_firm)
            more = f"be {say.money(left.value)}" if isfinite(left.value) else "grow without limit"
            text = (
                f"{key}: {REGIMES[key].maximised} is {most} at most with every firm in the market;"
                f" with {say.firm(left.firm)} driven out it would {more}"
            )
            out.append(Sentence(code="firm_driven_out", text=text))
    return out


def _proofs(found: Evaluation) -> list[Sentence]:
    out = []
    for key, outcome in found.regimes.items():
        certificate = outcome.certificate
        sole = REGIMES[key].chooser != "firms"
        optimum = sole or REGIMES[key].agreed
        if outcome.status not in SOLVED:
            continue
        if sole and certificate.scope == "searched":
            text = (
                f"{key}: the optimum was searched for from many starts; that no better one exists"
                " is not proven"
            )
            out.append(Sentence(code="not_proven", text=text))
        if _unstable(certificate):
            text = (
                f"{key}: the equilibrium is unstable: after a small disturbance best replies lead"
                " away from it"
            )
            out.append(Sentence(code="unstable", text=text))
        if certificate.others:
            one, several = (
                ("local optimum", "local optima") if optimum else ("equilibrium", "equilibria")
            )
            count = len(certificate.others)
            text = (
                f"{key}: {count} other {one if count == 1 else several} found (listed in the"
                " certificate)"
            )
            out.append(Sentence(code="several", text=text))
    return out


def _unstable(certificate: Certificate) -> bool:
    return certificate.reply_eigenvalues is not None and not max(certificate.reply_eigenvalues) < 1
