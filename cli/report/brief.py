"""A case in brief: the questions that somebody who has to decide asks first, each answered in a few
sentences. Says nothing that the other sections do not show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cli.pages.evaluation import proof
from cli.pages.page import Page
from cli.report.subject import Subject
from market.model.case import Array
from market.text import capitalised
from mechanism.casefile.policies import agreements
from mechanism.casefile.standard import SAME
from mechanism.casefile.types import PRIVATE
from mechanism.design.options import WhyNot
from mechanism.design.rules import TAX_RULES
from mechanism.report.answer import judged_by
from mechanism.report.cautions import held_together, unenforced
from mechanism.report.overturned import of_market, of_standard, switched, unmoved
from mechanism.report.results import ComparisonRow
from mechanism.report.words import amount, listed


def brief(subject: Subject, page: Page) -> None:
    """The question, and the answers."""
    first, second = subject.found.case.market.firms
    standard = judged_by(subject.found.ranked.standard, subject.private)
    page.sentence(
        f"Two rivals, {first} and {second}, each decide how much to invest in security and how much"
        " of what they learn to share with the other. Part of the benefit goes to the rival and to"
        " consumers, so each may do too little. The question is which policy, if any, serves"
        f" consumers, firms and taxpayers together best. The standard it is judged by: {standard}."
    )
    for question, answer in QUESTIONS:
        text = answer(subject)
        if text:
            page.heading(question)
            for paragraph in text.split("\n"):
                page.sentence(paragraph)


def what(subject: Subject) -> str:
    """What to do, and why that."""
    said = subject.answer
    if subject.told.policy is None:
        return "\n".join(filter(None, (said["do"], said["mend"], said["otherwise"])))
    do = said["do"].split(" The standard: ")[0]
    name = subject.told.policy.label
    named = f' In tables it is called "{name}" ({subject.told.policy.key}).' if name else ""
    return "\n".join(filter(None, (do + named, levels(subject), said["ladder"], said["decided"])))


def alliance(subject: Subject) -> str:
    """What agreements between the firms would do, prices left alone."""
    rows = [subject.found.rows[p.key] for p in agreements() if p.key in subject.found.rows]
    out = [_helps(subject, [row for row in rows if row.competes and row.value is not None])]
    for row in rows:
        said, why = subject.verdicts.get(row.policy.code), row.why_not
        if said is not None:
            out.append(said + (f" It cannot be recommended: {barred(why)}." if why else ""))
    return "\n".join(filter(None, out))


def _helps(subject: Subject, able: Sequence[ComparisonRow]) -> str:
    """Whether any agreement that could be permitted helps, and whether it would last."""
    now, chosen, say = subject.found.today.value, subject.chosen, subject.say
    if now is None:
        return ""
    zero = SAME * float(subject.found.ranked.scale[0])
    best = max(able, key=lambda row: row.value or 0.0, default=None)
    gain = 0.0 if best is None else (best.value or 0.0) - now
    if best is None or gain <= zero:
        return (
            "No: no agreement that may be recommended under this standard is worth more than"
            " today's market."
        )
    if chosen is None:
        text = f"Against today's market {best.policy.phrase} would bring {say.money(gain)}."
    elif best is chosen:
        text = f"Yes: {best.policy.phrase} is what is recommended."
    else:
        most = (chosen.value or 0.0) - now
        text = (
            f"Yes, but less than what is recommended: the best that could be permitted,"
            f" {best.policy.phrase}, brings {say.money(gain)}, the recommended policy"
            f" {amount(most)}."
            if most > gain
            else f"Yes, {best.policy.phrase} would bring {say.money(gain)}."
        )
    held = held_together(subject.found, best)
    broken = None if held is None else unenforced(held, say, zero)
    if broken is not None:
        text += f" {capitalised(broken)}."
    return text


def levels(subject: Subject) -> str:
    """What firms would do under what is recommended, and what its units are."""
    row, now = subject.chosen, subject.found.today.expected
    if row is None or row.expected is None or now is None or row is subject.found.today:
        return ""
    unit = subject.found.case.units.quantity
    when = "in expectation " if subject.private else ""
    told = [
        f"{when}shares {float(row.expected.sharing[i]):.0%} of what it learns instead of"
        f" {float(now.sharing[i]):.0%} and invests {amount(float(row.expected.investment[i]))}"
        f" instead of {amount(float(now.investment[i]))}"
        for i in (0, 1)
    ]
    parts = (
        [f"each firm {told[0]}"]
        if told[0] == told[1]
        else [f"{subject.say.firm(i)} {told[i]}" for i in (0, 1)]
    )
    rated = row.policy.source == "rates" and "per unit of sharing" in subject.answer["do"]
    per = (
        " A unit of sharing is everything that a firm learns: who shares half of it is paid half of"
        " that rate."
        if rated
        else ""
    )
    counted = f" (in {unit} of demand that it brings)" if unit else ""
    return f"{capitalised('; '.join(parts))}{counted}.{per}"


def barred(why: WhyNot) -> str:
    """Why a policy cannot be recommended, without what would change that in the case file."""
    return why.text.split("; ")[0]


def cost(subject: Subject) -> str:
    """Who gains and pays what."""
    if subject.chosen is None:
        return ""
    return "\n".join(filter(None, (subject.answer["worth"], subject.answer["cost"])))


def joining(subject: Subject) -> str:
    """Whether firms would take part in what is recommended."""
    row, now, say = subject.chosen, subject.found.today.expected, subject.say
    if row is None or row.expected is None or now is None or row.net_transfer is None:
        return ""
    if row.policy.requires in (None, "nothing"):
        return "Nothing is asked of the firms."
    if row.policy.requires == "order":
        return "It is an order: nobody is asked."
    zero = SAME * float(subject.found.ranked.scale[0])
    flat = np.zeros(2) if row.flat_payments is None else row.flat_payments
    after = np.asarray(row.expected.profit + row.net_transfer - now.kept, float)

    def each(values: Array) -> str:
        if abs(float(values[0] - values[1])) <= zero:
            return say.gains("each firm", float(values[0]), zero)
        return listed([say.gains(say.firm(i), float(values[i]), zero) for i in (0, 1)])

    willing = bool((after >= -zero).all())
    form = subject.found.ranked.standard.participation
    if row.policy.requires == "permission":
        if willing:
            return f"Yes, both would agree: against today's market {each(after)}."
        return f"Not both by themselves: against today's market {each(after)}."
    if form != "ir_market":
        return (
            "Payments are set by what the case says of participation"
            f" ({form}), not so that every firm is as well off as today: against today's market"
            f" {each(after)}."
        )
    of = "no firm, whatever it alone knows," if subject.private else "no firm"
    before = after - flat
    text = (
        f"Yes, with the lump sums: they are set so that {of} is worse off than in today's market."
        f" With them {each(after)}."
    )
    if np.abs(flat).max() > zero:
        expected = " in expectation" if subject.private else ""
        text += f" Before any lump sum{expected} {each(before)}."
    return text


def honest(subject: Subject) -> str:
    """Whether firms would tell the truth where they are asked."""
    row, types = subject.chosen, subject.found.case.types
    if types is None:
        return (
            "Nobody is asked: the case takes everything about the firms as known to the regulator,"
            " so there is nothing to report and nothing to lie about. Were something known to the"
            " firms alone, the answer would have to be worked out anew with it private."
        )
    private = PRIVATE[types.parameter]
    known = f"Each firm alone knows its {private.label} ({private.meaning})."
    asked = row is not None and row.policy.requires == "reports"
    told = [
        next(filter(None, (subject.verdicts.get(f"{key}_{end}") for key in TAX_RULES)), "")
        for end in ("not_truthful", "truthful")
    ]
    if asked and row is not None:
        own = [subject.verdicts.get(f"{row.policy.key}_{end}") for end in ("truthful", "behaviour")]
        return " ".join([known, *filter(None, own)])
    return " ".join(
        [
            known,
            "The recommended policy asks for no report, so there is nothing to lie about."
            if row is not None
            else "",
            f"Of the rules that do ask: {' '.join(filter(None, told))}" if any(told) else "",
        ]
    )


def keeping(subject: Subject) -> str:
    """Whether an agreement, or the levels aimed at, would last."""
    row = subject.chosen
    if row is None or row.policy.requires != "permission":
        return ""
    said = [c.text for c in subject.told.cautions if c.code == "not_self_enforcing"]
    return f"{capitalised(said[0])}." if said else "Yes: no member gains by breaking it."


def by_numbers(subject: Subject) -> str:
    """Which numbers of the market could overturn the answer."""
    told = subject.told
    if told.policy is None:
        return "There is no answer to overturn."
    if told.robust is None:
        return "What could overturn it was not looked for."
    if numbers := of_market(told):
        return (
            f"{' '.join(switched(subject.found, numbers))} No other number of the market, alone,"
            " from half to twice its own value, would change it."
        )
    if not told.varied:
        return (
            "The numbers of the market were not varied: with something private that takes long."
            " `pigou evaluate --switches --out result.json` does it, and `pigou report result.json`"
            " tells it."
        )
    return (
        "No number of the market, alone, from half to twice its own value, makes another policy the"
        " best."
    )


def overturned(subject: Subject) -> str:
    """What could overturn the answer, and how sure it is."""
    told, out = subject.told, [by_numbers(subject)]
    robust, policy = told.robust, told.policy
    if policy is None:
        return out[0]
    if robust is not None:
        moved = of_standard(told)
        out.append(" ".join([*switched(subject.found, moved), *unmoved(subject.found, told)]))
        known = {policy.key, *(one.to for one in moved)}
        others = [subject.policy(key).phrase for key in robust.winners if key and key not in known]
        if others:
            out.append(f"Where both differ {listed(others)} can be best too.")
    said = subject.answer.get("sure")
    out.append(
        said or "How likely other numbers are is not part of the case, which states no uncertainty."
    )
    return "\n".join(out)


def beside(subject: Subject) -> str:
    """What to know beside it."""
    return " ".join(f"{capitalised(caution.text)}." for caution in subject.told.cautions)


def checked(subject: Subject) -> str:
    """How it was checked."""
    return (
        "Every outcome behind the figures carries its own check: it was tested whether any firm,"
        " alliance or planner could do better by any other choice, and the largest error left is"
        " reported. An outcome is either proven to be the best there is, by methods that cannot"
        " miss a better one, or it was searched for widely, from many starting points. In figures:"
        f" {proof(subject.result)} What these words mean stands under Certificates.\nFigures do not"
        " depend on the units of the case, and whoever has the case can compute them again"
        " (Provenance)."
    )


QUESTIONS: tuple[tuple[str, Callable[[Subject], str]], ...] = (
    ("Which policy should be used?", what),
    ("Would an alliance of the firms help?", alliance),
    ("What does it bring and cost, and whom?", cost),
    ("Would the firms join?", joining),
    ("Would they tell the truth?", honest),
    ("Would they keep to it?", keeping),
    ("What could overturn this answer?", overturned),
    ("What should be known beside it?", beside),
    ("How was it checked?", checked),
)
"""The questions in brief, in their order, and what answers each."""
