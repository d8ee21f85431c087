"""The sections that tell how: the method in plain words, provenance, what the model cannot answer,
and what reviewers of evidence from models ask."""

from __future__ import annotations

import json

from cli.pages.page import Column, Page
from cli.report.found import proofs
from cli.report.subject import Subject
from market.model.outcome import SOLVED
from mechanism.casefile.types import PRIVATE

SOURCE = (
    "Gal-Or, E., and A. Ghose. 2005. The economic incentives for sharing security information."
    " Information Systems Research 16(2), 186-208"
)
"""The model."""

LIMITS = (
    "Where the market ends: who else competes, and how closely, is an input, not a finding.",
    "Entry: nobody enters or is kept out, whatever the policy.",
    "Commercial data: whether what firms share about security lets them learn of each other's"
    " prices, customers or plans.",
    "Innovation: what becomes of products, and of security itself, over time.",
    "Statutes: what exemptions or duties the law already gives.",
    "Practice: whether rates can be measured, paid and audited, and what administration costs.",
)
"""What the model cannot answer."""


def method(subject: Subject, page: Page) -> None:
    """The method in plain words."""
    page.sentence(
        f"The model is that of {SOURCE}, with its errors corrected. It describes two rivals that"
        " invest in security, share what they learn, and then compete in prices."
    )
    steps = [
        "Today's market is worked out as the point from which neither firm would move: given what"
        " the rival does, no other sharing, investment or price earns it more.",
        "The same is done for every policy: an alliance that agrees on sharing, or on sharing and"
        " investment; a ban on sharing; payments per unit; and, as yardsticks that nobody can"
        " choose, planners who set levels or prices.",
        "Consumers' surplus, profits and public money are added up under each, with the weights of"
        " the standard, and the policies are ranked by that one number.",
        "What firms would refuse is not counted as if they took part: lump sums are set to the"
        " least with which every firm joins, and what these cost the public is part of the value.",
        "Every outcome is then attacked: all other choices of every firm, alliance and planner are"
        " searched for one that is better. What is left of an error is reported as it is.",
        "Last, the standard is changed until another policy wins."
        if subject.private
        else "Last, the numbers and the standard are changed, one at a time, until another policy"
        " wins.",
    ]
    if subject.private:
        types = subject.found.case.types
        assert types is not None
        known = PRIVATE[types.parameter].label
        steps.insert(
            3,
            f"Each firm alone knows its {known}. So it is worked out what every type of firm would"
            " report under each rule of payment, and whether a lie would pay; figures are"
            " expectations over what the firms may be.",
        )
    for text in steps:
        page.sentence(text, bullet="- ")


def provenance(subject: Subject, page: Page) -> None:
    """Where the figures come from, and how to compute them again."""
    told = subject.result["provenance"]
    rows = {"Program": f"pigou {told['version']}", "Command": told["command"]}
    if not subject.hidden:
        rows["SHA-256 of the case, every default filled in, as canonical JSON"] = told[
            "case_sha256"
        ]
    rows["Python"] = told["python"]
    rows["Libraries"] = ", ".join(f"{name} {version}" for name, version in told["packages"].items())
    rows["Seed of what is drawn at random"] = (
        "nothing is drawn" if told["seed"] is None else str(told["seed"])
    )
    run = told["run"] or {}
    rows |= {key.capitalize(): str(value) for key, value in run.items() if value is not None}
    page.table(
        [
            Column("What", list(rows), words=True),
            Column("Value", list(rows.values()), words=True),
        ]
    )
    page.heading("To compute it again")
    page.sentence(
        "The inputs that are left out are needed: whoever holds the whole case can run the command"
        " above, and this report again without leaving anything out."
        if subject.hidden
        else "Save the case that stands in the appendix as case.json and run pigou report case.json"
        " --out again.html: with the same versions the figures are the same to the last digit. A"
        " result saved with pigou evaluate case.json --out result.json is checked figure by figure"
        " by pigou verify result.json."
    )


def limits(page: Page) -> None:
    """What the model cannot answer."""
    page.sentence(
        "A recommendation here is an answer within the model. These questions it cannot answer, and"
        " a decision needs them answered otherwise:"
    )
    for text in LIMITS:
        page.sentence(text, bullet="- ")


def reviewers(subject: Subject, page: Page) -> None:
    """What reviewers ask, one by one."""
    found, hidden = subject.found, bool(subject.hidden)
    solved = [one for one in proofs(subject).values() if one.status in SOLVED]
    searched = sum(one.scope == "searched" for one in solved)
    source = found.case.resolved.get("reference")
    doubts = found.uncertainty
    answers = {
        "What question is asked, and by which standard is it answered?": (
            "Which policy serves the market best; by the value defined under The standard,"
            " whose two weights are inputs."
        ),
        "Are the data open?": (
            "No: inputs named in the note at the head are left out."
            if hidden
            else "Yes: every input stands under The market, and as a file at the end."
        )
        + (f" Their source: {source}." if source else " The case names no source for them."),
        "Is the method open?": (
            "Yes: the model is published, its corrections are documented with the program, and the"
            " program is open source."
        ),
        "Is the result reproducible?": (
            "Yes, by whoever has the whole case (Provenance)."
            if hidden
            else "Yes: from the file at the end, by the command under Provenance, to the last digit"
            " with the same versions."
        ),
        "Was it independently checked?": (
            "Each outcome was checked by the certificate's own search, which does not use the way"
            " it was found. No person other than the author of the case is known to have checked"
            " it; the file allows it."
        ),
        "Is uncertainty quantified?": (
            "No: the case says nothing of how well its numbers are known."
            if doubts is None
            else f"Yes: over {doubts.draws:,} draws of what is not known exactly (How sure it is)."
        ),
        "Was sensitivity analysed?": (
            (
                "For the two weights of the standard; not for the numbers of the market, which"
                " takes long here."
                if not subject.told.varied
                else "Yes: every number of the market and both weights of the standard, one at a"
                " time (What would overturn it)."
            )
            if subject.told.robust is not None
            else "No."
        ),
        "Are there other solutions?": (
            "Others that were found are counted under Certificates;"
            f" {searched} of {len(solved)} outcomes were searched for, not proven."
        ),
        "Are results reported that do not suit?": (
            "Yes: every policy is shown, also those that lose, and so is what has no solution."
        ),
        "Does the answer depend on units or rounding?": (
            "No: every market is solved in units of its own, and figures are rounded only where"
            " they are printed."
        ),
        "What was assumed?": "What stands under The market; what follows from it is arithmetic.",
        "Who may not rely on it?": (
            "Nobody should for what stands under What the model cannot answer."
        ),
    }
    for question, text in answers.items():
        page.heading(question)
        page.sentence(text)
    if not hidden:
        page.heading("The case as a file (JSON)")
        case = {key: value for key, value in found.case.resolved.items() if key != "expect"}
        page.verbatim(json.dumps(case, indent=1, ensure_ascii=False, allow_nan=False))
