"""Which rule, or where nothing is private which policy, to use: the answer first, then its reasons, in five sentences at most.

Truth comes first, then that firms join, then money. Reads an evaluation; computes nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mechanism.instruments import LinearSubsidies
from mechanism.policies import GOAL, TODAY, Policy, free_of_charge
from mechanism.results import ComparisonRow, Evaluation, RuleResult
from mechanism.rules import DESIGNED, TAX_RULES
from mechanism.tidy import welfare_net
from mechanism.words import NEGLIGIBLE, OUTSIDE, Sentence, Words, capitalised

MOST = 5
"""Sentences at most."""
DIGITS = 9
"""Of shares of welfare that count when policies are compared: what differs by less is a tie."""


def advice(found: Evaluation) -> list[Sentence]:
    """The recommendation of a case with its reasons."""
    say = Words(found.case.units.money, found.case.market.firms)
    if found.types is not None:
        question, told = "Which rule?", _with_types(found, say)
    elif found.rows[GOAL].welfare is None:
        question, told = "Which policy?", _without_planner(found, say)
    else:
        question, told = "Which policy?", _known(found, say)
    answer, *reasons = told
    return [replace(answer, code="recommendation", question=question), *reasons]


def in_short(verdicts: Iterable[Sentence]) -> str:
    """What is recommended, and what speaks against it."""
    return " ".join(said.text for said in verdicts if said.code == "recommendation" or said.against)


def _reasons(*texts: str) -> list[Sentence]:
    """Those that say something."""
    return [Sentence(code="reason", text=text) for text in texts if text]


def _against(text: str) -> list[Sentence]:
    return [Sentence(code="reason", text=text, against=True)]


# --- types private


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which tax rules do what, at one case."""

    rules: dict[str, RuleResult]
    """All that there are, in the order of the table."""
    form: str
    """The case's own form of participation."""
    truthful: frozenset[str]
    """Under which truth is a best reply."""
    joined: frozenset[str]
    """Under which, truth being one, all would join too."""

    @property
    def formulas(self) -> list[str]:
        """Those that are not solved for."""
        return [key for key in self.rules if not TAX_RULES[key].designed]

    @property
    def designed(self) -> RuleResult | None:
        """The one that is; None where there is none."""
        return self.rules.get(DESIGNED)

    def slack(self, key: str) -> float | None:
        """The smallest slack of participation under a rule."""
        return self.rules[key].checks.ir(self.form).amount


def _choice(found: Evaluation) -> Choice:
    form = found.case.mechanism.participation
    rules = {key: found.found_rules[key] for key in TAX_RULES if key in found.found_rules}
    truthful = frozenset(key for key, rule in rules.items() if rule.checks.ic.status == "holds")
    joined = frozenset(key for key in truthful if form == "none" or rules[key].checks.ir(form).status == "holds")
    return Choice(rules=rules, form=form, truthful=truthful, joined=joined)


def _with_types(found: Evaluation, say: Words) -> list[Sentence]:
    choice, options = _choice(found), found.case.mechanism
    if not choice.formulas:
        return _reasons("None can be recommended: at some pair of types the planner's problem has no solution.")
    if not choice.truthful:
        return _reasons("No tax rule makes truth a best reply with the payoff this case assumes; what firms would then do is shown.")
    best = _best_rule(choice, found)
    rule = choice.rules[best]
    zero = NEGLIGIBLE * abs(rule.expected.welfare)
    told = _reasons(_answer_with_types(best, choice, zero, say))
    if found.rows[TODAY].welfare is not None:
        told += _worth(rule, found, zero, say)
    told += _reasons(_others(best, choice, say))
    if options.allocation == "efficient" and options.objective == "min_outlay" and choice.form != "none":
        told += _reasons(_bounds(best, choice, found, zero, say))
    told += _reasons(_rates_under_types(found.row_from("rates"), say))
    return told[:MOST]


def _best_rule(choice: Choice, found: Evaluation) -> str:
    """Of the rules preferred, the one of highest welfare after the cost of public funds, then of least outlay, expected and at worst."""
    options, types = found.case.mechanism, found.types
    assert types is not None
    # On an interval of types what is solved for on a grid undercuts the formula only by the gaps between grid points. Where both types
    # move both profits no formula is known to cost least.
    continuous = types.continuous and types.private_values and options.allocation == "efficient"
    formulas = set(choice.formulas)
    preferred = choice.joined & formulas if continuous and choice.joined & formulas else choice.joined or choice.truthful & formulas

    def money(key: str) -> tuple[float, float, float]:
        """Rounded so that ties stay ties; they go to the rule that stands first in the table."""
        rule = choice.rules[key]
        scale = abs(rule.expected.welfare) or 1.0
        net = welfare_net(rule.expected.welfare, rule.expected.budget, options.public_funds_cost)
        return -round(net / scale, DIGITS), round(rule.expected.budget / scale, DIGITS), round(rule.checks.budget.worst / scale, DIGITS)

    return min((key for key in [*choice.formulas, DESIGNED] if key in preferred), key=money)


def _answer_with_types(best: str, choice: Choice, zero: float, say: Words) -> str:
    rule, name, form = choice.rules[best], f"{TAX_RULES[best].label} ({best})", choice.form
    outlay, worst = rule.expected.budget, rule.checks.budget.worst
    pays = _pays(outlay, zero, say) + (f"; at worst {say.money(worst)}" if worst > max(outlay, 0.0) + zero else "")
    if choice.joined:
        also = "" if form == "none" else f", and no type would rather stay out ({form})"
        return f"{capitalised(name)}: truth is a best reply{also}. In expectation this {pays}."
    return (
        f"If firms can be obliged to take part, {name}: truth is a best reply, and this {pays}. If they may refuse "
        f"({form}), no rule here is known to keep them all{_closest(choice)}."
    )


def _pays(outlay: float, zero: float, say: Words) -> str:
    if abs(outlay) <= zero:
        return "costs the public nothing"
    return f"costs the public {say.money(outlay)}" if outlay > 0 else f"brings the public {say.money(-outlay)}"


def _closest(choice: Choice) -> str:
    slacks = {key: slack for key in choice.formulas if key in choice.truthful and (slack := choice.slack(key)) is not None}
    closest = max(slacks, key=lambda key: slacks[key], default=None)
    return "" if closest is None else f"; {TAX_RULES[closest].label} ({closest}) comes closest"


def _worth(rule: RuleResult, found: Evaluation, zero: float, say: Words) -> list[Sentence]:
    """What it brings beyond today's market, and up to what cost of public funds it is worth more than what costs nothing."""
    options, market = found.case.mechanism, found.rows[TODAY].welfare
    assert market is not None
    welfare, outlay, cost = rule.expected.welfare, rule.expected.budget, options.public_funds_cost
    net = welfare_net(welfare, outlay, cost) - market
    after = f" after the cost of public funds ({cost:g} per unit)" if cost and outlay > zero else ""
    free = max(_free(found), key=lambda option: option.welfare)
    if net + market < free.welfare - zero:
        lost = say.money(free.welfare - market - net)
        return _against(f"But welfare{after} is {lost} BELOW what {free.policy.advised} gives, which costs the public nothing.")
    text = f"Welfare{after} is {say.money(net)} above today's market's"
    if outlay > zero and options.allocation == "efficient":  # a second best would change with the cost
        limit = (welfare - free.welfare) / outlay
        text += f"; above a shadow cost of public funds of {limit:.3g}, {free.policy.advised} is better"
    return _reasons(text + ".")


def _others(best: str, choice: Choice, say: Words) -> str:
    """What is wrong with the other formulas: who would lie, who would stay out, what costs more."""
    lies, stays, dearer = [], [], []
    for key in choice.formulas:
        rule = choice.rules[key]
        if key == best:
            continue
        if key not in choice.truthful:
            gain = rule.checks.ic.amount
            lies.append(f"{key} (a lie gains {'without limit' if gain is None else say.money(gain)})")
        elif key not in choice.joined and choice.form != "none":
            slack = choice.slack(key)
            stays.append(key + ("" if slack is None else f" (some type lacks {say.money(-slack)})"))
        else:
            dearer.append(f"{key} ({say.money(rule.expected.budget)})")
    parts = []
    if lies:
        parts.append(f"truth does not pay under {_listed(lies)}")
    if stays:
        parts.append(f"some would rather stay out under {_listed(stays)}")
    if dearer:
        parts.append(f"no cheaper: {_listed(dearer)}")
    return f"The others: {'; '.join(parts)}." if parts else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _bounds(best: str, choice: Choice, found: Evaluation, zero: float, say: Words) -> str:
    """Whether anything could do the same for less, and within the budget asked for."""
    designed, types = choice.designed, found.types
    if designed is None or designed.design is None or types is None:
        return ""
    # Where both types move both profits, what firms are seen to do tells more than their reports: paying by it is another matter.
    what = "transfers" if types.private_values else "transfers that depend on the reports alone"
    least, asked = designed.expected.budget, designed.design
    parts = []
    if best != DESIGNED and least > zero:
        parts.append(f"no {what} at the planner's levels do the same at the types checked for less than {say.money(least)} ({DESIGNED})")
    elif best != DESIGNED:
        parts.append(f"{TAX_RULES[DESIGNED].label} do the same and bring the public {say.money(-least)} ({DESIGNED})")
    if asked.status == "infeasible":
        limits = {"ex_ante": "with no net public money in expectation", "ex_post": "with no public money in any state"}
        sure = "proven" if asked.contradiction is not None and asked.contradiction.verified else "not verified"
        parts.append(f"{limits[found.case.mechanism.budget]} no {what} have truth pay and everybody join ({sure})")
    return f"{capitalised('; '.join(parts))}." if parts else ""


def _rates_under_types(row: ComparisonRow, say: Words) -> str:
    if row.outlay is None or row.share_of_gain is None:
        return ""
    return (
        f"Without any report, subsidies per unit that are fixed beforehand ({row.policy.key}) reach {row.share_of_gain:.1%} of the "
        f"possible gain and cost the public {say.money(row.outlay)}."
    )


# --- everything known


@dataclass(frozen=True, kw_only=True)
class Option:
    """Something that could be done."""

    policy: Policy
    """What."""
    welfare: float
    """What it reaches, before any cost of public funds."""
    spent: float = 0.0
    """What the public pays; negative is revenue."""

    def net(self, cost: float) -> float:
        """Welfare after the cost of public funds."""
        return float(welfare_net(self.welfare, self.spent, cost))


def _free(found: Evaluation) -> list[Option]:
    """What costs the public nothing, where it has figures."""
    rows = (found.rows[policy.key] for policy in free_of_charge())
    return [Option(policy=row.policy, welfare=row.welfare) for row in rows if row.welfare is not None]


def _without_planner(found: Evaluation, say: Words) -> list[Sentence]:
    """What can be said where the planner's problem has no solution."""
    status = found.rows[GOAL].status
    told = _reasons(f"No subsidy or tax can be recommended: the planner's problem, on which they rest, has no solution ({status}).")
    best = max(_free(found), key=lambda option: option.welfare, default=None)
    if best is not None:
        told += _reasons(f"Of what costs the public nothing {best.policy.advised} has the highest welfare, {say.money(best.welfare)}.")
    return told


@dataclass(frozen=True, kw_only=True)
class Possible:
    """What can be done about a market whose planner's problem has a solution."""

    optimum: float
    """The planner's welfare."""
    scheme: Option | None
    """Subsidy and tax, with the lump sums that make both firms join; None where that is not possible."""
    rates: Option | None
    """Subsidies per unit; None where they do not lead to the planner's levels, or a firm would rather stay out."""
    free: list[Option]
    """What costs the public nothing."""

    @property
    def zero(self) -> float:
        """Money up to which an amount counts as none."""
        return NEGLIGIBLE * abs(self.optimum)

    def share(self, welfare: float) -> float:
        """Of the planner's welfare, rounded so that ties stay ties."""
        return round(welfare / (abs(self.optimum) or 1.0), DIGITS)

    @property
    def best_free(self) -> Option | None:
        """The best that costs nothing; among equals what asks nothing of anybody."""
        return max(self.free, key=lambda o: (self.share(o.welfare), o.policy.requires == "nothing"), default=None)

    def best(self, cost: float) -> Option | None:
        """The best at this cost of public funds; among equals what spends least."""
        everything = [option for option in (self.scheme, self.rates) if option is not None] + self.free
        return max(everything, key=lambda o: (self.share(o.net(cost)), -max(o.spent, 0.0)), default=None)


def _options(found: Evaluation) -> Possible:
    optimum, form = found.rows[GOAL].welfare, found.case.mechanism.participation
    assert optimum is not None
    scheme, lump = found.row_from("full_information"), _lump_sums(found)
    rates, gains = found.rates, None if found.rates is None else found.rates.participation_gain
    keeps = form != "ir_market" or (gains is not None and float(gains.min()) >= -NEGLIGIBLE * abs(optimum))
    return Possible(
        optimum=optimum,
        scheme=None if lump is None or scheme.welfare is None else Option(policy=scheme.policy, welfare=scheme.welfare, spent=lump),
        rates=None
        if rates is None or rates.status != "holds" or not keeps
        else Option(policy=found.row_from("rates").policy, welfare=optimum, spent=rates.outlay),
        free=_free(found),
    )


def _known(found: Evaluation, say: Words) -> list[Sentence]:
    possible, cost = _options(found), found.case.mechanism.public_funds_cost
    best = possible.best(cost)
    if best is None:
        return _reasons("None can be recommended: no regime of this market has a solution.")
    told = _reasons(
        _answer(best, possible.zero, say),
        _gain(best, possible, found, cost, say),
        _would_join(best, possible, found, say),
        _plainly(found.rates, best, possible.zero, found.row_from("rates").policy, say),
    )
    full = found.full_information
    if best is possible.scheme and full is not None and full.regulated.certificate.others:
        told[2:2] = _against("But the planner's levels are not the only equilibrium under it: firms may settle at another.")
    return (told + _reasons(_without_money(best, possible, found)))[:MOST]


def _lump_sums(found: Evaluation) -> float | None:
    """What the public must pay before both firms join the full-information scheme; None where that is not possible."""
    full, form = found.full_information, found.case.mechanism.participation
    if full is None or not full.regulated.solved:
        return None
    if form == "none" or full.joining[form].check.status == "holds":
        return 0.0
    slack = full.joining[form].slack
    # A firm that gains can be made to pay the one that loses.
    return None if slack is None else max(0.0, -float(slack.sum()))


def _answer(best: Option, zero: float, say: Words) -> str:
    name = best.policy.key
    if best.policy.source == "full_information":
        text = f"The subsidy and tax ({name}): nothing is private, so all tax rules come to the same; they make the planner's levels an "
        text += "equilibrium"
        if best.spent > zero:
            return f"{text}, and firms join for lump sums that cost the public {say.money(best.spent)}."
        return f"{text} at no cost to the public."
    if best.policy.source == "rates":
        return f"Plain subsidies per unit of investment and of sharing ({name}): they make the planner's levels an equilibrium."
    return f"{capitalised(best.policy.advised or best.policy.phrase)}."


def _gain(best: Option, possible: Possible, found: Evaluation, cost: float, say: Words) -> str:
    """What it brings beyond today's market, and up to what cost of public funds."""
    today, free = found.rows[TODAY].welfare, possible.best_free
    if today is None:
        return ""
    net, dear = best.net(cost) - today, best.spent > possible.zero
    text = f"Welfare is {say.money(net)} above today's market's" if net > possible.zero else "Welfare is today's market's"
    text += f" after the cost of public funds ({cost:g} per unit)" if cost and dear else ""
    if dear and free is not None and possible.optimum > free.welfare:
        limit = (best.welfare - free.welfare) / best.spent
        text += f"; above a shadow cost of public funds of {limit:.3g}, {free.policy.advised} is better"
    return text + "."


def _would_join(best: Option, possible: Possible, found: Evaluation, say: Words) -> str:
    """Whether firms would join the full-information scheme, and for how much."""
    full, form = found.full_information, found.case.mechanism.participation
    if possible.scheme is None or full is None or form == "none":
        return ""
    if full.joining[form].check.status == "holds":
        against = OUTSIDE[form].against
        return f"No firm would rather stay out of subsidy and tax: each is at least as well off as with {against}."
    if best is possible.scheme:
        return ""
    return f"Subsidy and tax would need lump sums of {say.money(possible.scheme.spent)} before both firms join."


def _plainly(rates: LinearSubsidies | None, best: Option, zero: float, policy: Policy, say: Words) -> str:
    """What subsidies per unit would do, where something else is better."""
    if rates is None or best.policy.source == "rates":
        return ""
    if rates.status != "holds":
        return "Plain subsidies per unit do not lead to the planner's levels: some firm would choose others."
    spent = rates.outlay
    money = f"cost the public {say.money(spent)}" if spent > zero else f"bring the public {say.money(-spent)}"
    return f"Plain subsidies per unit ({policy.key}) reach the same levels without a schedule, and {money}."


def _without_money(best: Option, possible: Possible, found: Evaluation) -> str:
    """What an agreement brings, where money is better."""
    free = possible.best_free
    if free is None or best.policy.requires != "money" or free.policy.requires == "nothing":
        return ""
    share = found.rows[free.policy.key].share_of_gain
    return "" if share is None else f"Without money, {free.policy.advised} brings {share:.0%} of the possible gain."
