"""The sections about what was found: who gains, what it costs, what firms do, what would overturn
it, how sure it is, how robust, and the proof."""

from __future__ import annotations

from typing import NamedTuple

from cli.pages.comparison import payments, who_gains
from cli.pages.evaluation import certificates_of, outcomes, proof
from cli.pages.over_draws import over_draws
from cli.pages.page import Column, Page
from cli.pages.rules import full_information, reported, tax_rules
from cli.pages.words import by_firm, label, money_of, sentences
from cli.report.brief import barred, by_numbers, honest, joining
from cli.report.subject import Subject
from mechanism.casefile.case_keys import number_at
from mechanism.casefile.json_schema import named
from mechanism.casefile.policies import agreements, policy_of
from mechanism.report.answer import judged_by
from mechanism.report.cautions import held_together
from mechanism.report.overturned import of_market, unanswered
from mechanism.report.rungs import ASKS
from mechanism.report.words import amount


def answer(subject: Subject, page: Page) -> None:
    """By which standard it is answered, and the ladder."""
    standard = subject.found.ranked.standard
    page.sentence(
        "Policies are ranked by one number, their value: consumers' surplus and what the firms"
        " keep, less what the public pays on balance, when everybody takes part;"
        f" {judged_by(standard, subject.private)}. What lowers consumers' surplus against today is"
        " not recommended unless the case allows it. What asks for more (a permission, an order,"
        " public money, reports) must bring more: what falls short of the best by at most"
        f" {standard.materiality:.0%} of its gain counts as equal to it, and then what asks less is"
        " recommended."
    )
    rungs = [rung for rung in subject.told.ladder if rung.policy is not None]
    if not rungs:
        return
    scale = subject.scale
    page.heading("What each step asks for and adds" + money_of(scale))
    page.table(
        [
            Column("Asks for", [ASKS[rung.requires] for rung in rungs], words=True),
            Column(
                "Best policy",
                [_named(rung.policy.key, subject) for rung in rungs if rung.policy],
                words=True,
            ),
            Column("Value", scale.amounts([rung.value for rung in rungs])),
            Column("Adds", scale.amounts([rung.adds for rung in rungs], signed=True)),
        ]
    )
    page.sentence("Adds: value beyond the best that asks less.")


def gains(subject: Subject, page: Page) -> None:
    """Who gains by every policy."""
    page.sentence(
        "Every policy is shown as it is when everybody takes part: lump sums and payments between"
        " the firms are counted, so that the policies can be compared. The first line of a row is"
        " the level, the second the change against today's market."
    )
    who_gains(subject.result, page, subject.scale, True)
    policies_listed(subject, page)


def policies_listed(subject: Subject, page: Page) -> None:
    """What the policies are."""
    rows = subject.found.comparison
    page.heading("The policies")
    page.table(
        [
            Column("Policy", [_named(row.policy.key, subject) for row in rows], words=True),
            Column("What it is", [row.policy.doing for row in rows], words=True),
            Column(
                "Asks for",
                [
                    "nobody can choose it" if row.policy.requires is None else row.policy.requires
                    for row in rows
                ],
                words=True,
            ),
            Column(
                "Can it be recommended?",
                ["yes" if row.why_not is None else f"no: {barred(row.why_not)}" for row in rows],
                words=True,
            ),
        ]
    )


def costs(subject: Subject, page: Page) -> None:
    """What is paid, to and by whom."""
    page.sentence(
        "A policy that works through money has two parts: payments that move what firms do, and"
        " lump sums that do not. The lump sums of all policies are set by one rule, the least with"
        " which every firm takes part, so that no policy looks cheap because firms would refuse it."
    )
    payments(subject.result, page, subject.scale, named=True)


def firms(subject: Subject, page: Page) -> None:
    """Would firms join, tell the truth and keep the agreement?"""
    if text := joining(subject):
        page.heading("Would they join what is recommended?")
        page.sentence(text)
    page.heading("Would they tell the truth?")
    page.sentence(honest(subject))
    agreement(subject, page)
    page.heading("The subsidy and tax of the paper, before any lump sum")
    page.sentence(
        "With everything known, this subsidy and tax lead the firms to the planner's levels."
        " The table shows whether firms would join without a lump sum, and which one would make"
        " them, by what they are taken to have otherwise."
    )
    full_information(subject.result["mechanism"], page, subject.scale)
    scale, cost = subject.scale, subject.found.case.mechanism.public_funds_cost
    tax_rules(subject.result["mechanism"], page, scale, cost)
    sentences(
        "Findings one by one, before any lump sum", (v.whole for v in subject.found.verdicts), page
    )


def agreement(subject: Subject, page: Page) -> None:
    """What holds agreements between the firms together."""
    rows = [
        (row, held)
        for policy in agreements()
        if (row := subject.found.rows.get(policy.key)) is not None
        and row.expected is not None
        and (held := held_together(subject.found, row)) is not None
    ]
    if not rows:
        return
    scale = subject.scale
    page.heading("Would they keep an agreement?")
    page.table(
        [
            Column("Agreement", [_named(row.policy.key, subject) for row, _ in rows], words=True),
            *(
                Column(
                    head,
                    scale.amounts([_finite(float(held.gain[i])) for _, held in rows]),
                    scale.money,
                )
                for i, head in enumerate(by_firm("Gains by breaking it", scale.firms))
            ),
            Column("Patience needed", [_patience(held.patience) for _, held in rows], words=True),
            Column(
                "With side payments",
                [_patience(held.with_payments) for _, held in rows],
                words=True,
            ),
            Column(
                "Gain from fixing prices too",
                scale.amounts([_finite(held.fixing) for _, held in rows]),
                scale.money,
            ),
        ]
    )
    page.sentence(
        "An agreement is kept by those who agreed, or not at all. A firm that breaks it gains once,"
        " and ever after both earn what they earn today. Patience is what a unit of the next"
        " period must count for today so that keeping to it pays; never: no patience is enough."
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def _patience(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"


def overturn(subject: Subject, page: Page) -> None:
    """At which numbers another policy would win."""
    told = subject.told
    if not of_market(told):
        page.sentence(by_numbers(subject))
    if told.switching:
        page.heading("Numbers at which the answer changes, each alone")
        own, firms = subject.found.case.resolved, subject.found.case.market.firms
        page.table(
            [
                Column("Number", [named(one.key, firms) for one in told.switching], words=True),
                Column("Key", [one.key for one in told.switching], words=True),
                Column(
                    "Now",
                    [amount(number_at(own, one.key) or 0.0) for one in told.switching],
                    words=True,
                ),
                Column("Changes at", [amount(one.value) for one in told.switching]),
                Column(
                    "Then",
                    [
                        _named(one.to, subject)
                        if one.to
                        else "no answer: "
                        f"{unanswered(subject.found, one.lacks) if one.lacks else 'some problem'}"
                        " has no solution"
                        for one in told.switching
                    ],
                    words=True,
                ),
            ]
        )
    if told.robust is not None:
        page.heading("Who wins under other standards")
        stretches = [
            (name, one)
            for name, over in (
                ("a unit of public money costs, beyond itself", told.robust.public_funds_cost),
                ("a unit of profits counts", told.robust.profit_weight),
            )
            for one in over
        ]
        page.table(
            [
                Column("Where", [name for name, _ in stretches], words=True),
                Column("From", [f"{one.low:.4g}" for _, one in stretches]),
                Column("To", [f"{one.high:.4g}" for _, one in stretches]),
                Column(
                    "Recommended",
                    [
                        _named(one.policy, subject) if one.policy else "no answer"
                        for _, one in stretches
                    ],
                    words=True,
                ),
            ]
        )
        if not subject.private:
            page.sentence(
                "Each number of the market is varied alone, from half to twice its own value as far"
                " as it may go, all policies and their rates being worked out anew; several that"
                " change together may change the answer sooner."
            )


def sure(subject: Subject, page: Page) -> None:
    """What is not known exactly, and what it does to the answer."""
    if subject.found.uncertainty is None:
        page.sentence(
            "The case states no uncertainty about its numbers: every figure is at those numbers,"
            " and says nothing of how well they are known. What the answer hangs on stands in the"
            " section before. A case may say how well each number is known (its block"
            " `uncertainty`); the report then gives how often the answer is right."
        )
        return
    over_draws(subject.result, page, subject.scale, named=True)


def robustness(subject: Subject, page: Page) -> None:
    """Whether it hangs on the order of moves, or on one of several equilibria."""
    page.sentence(
        "The firms' levels if they move in another order, if they agree, and as a planner would"
        " set them. Where these hardly differ from today's market, the answer does not hang on who"
        " moves first."
    )
    outcomes(subject.result, page, subject.scale, subject.result["regimes"])
    others = [
        f"{policy_of(key).phrase}: {len(outcome.certificate.others)}"
        for key, outcome in subject.found.regimes.items()
        if outcome.certificate.others
    ]
    page.heading("Other outcomes")
    page.sentence(
        f"Beside those shown, other equilibria or optima were found for {'; '.join(others)}."
        if others
        else "No other equilibria or optima were found beside those shown."
    )
    sentences("What limits the answer", (w.text for w in subject.found.warnings), page)


class Proof(NamedTuple):
    """What certifies an outcome."""

    status: str
    residual: float | None
    regret: float | None
    scope: str | None
    others: int | None
    """None where none are looked for."""


def proofs(subject: Subject) -> dict[str, Proof]:
    """The proof of every regime, with figures or without, and of every policy that is none."""
    regimes = subject.result["regimes"]
    statuses = {row["policy"]: row["status"] for row in subject.result["comparison"]}
    statuses |= {key: outcome["status"] for key, outcome in regimes.items()}
    told = {key: outcome["certificate"] for key, outcome in regimes.items()}
    return {
        key: Proof(
            status=statuses[key],
            residual=one["residual"],
            regret=one.get("regret"),
            scope=one["global"],
            others=None if one.get("others") is None else len(one["others"]),
        )
        for key, one in (told | certificates_of(subject.result)).items()
    }


def certificates(subject: Subject, page: Page) -> None:
    """The proof of every outcome."""
    if not subject.hidden:
        page.sentence(proof(subject.result))
    rows = proofs(subject)
    small = _exact if subject.hidden else _small
    page.table(
        [
            Column("Outcome", [label(key, subject.scale.firms) for key in rows], words=True),
            Column("Status", [row.status.replace("_", " ") for row in rows.values()], words=True),
            Column("Residual", [small(row.residual) for row in rows.values()]),
            Column("Regret", [small(row.regret) for row in rows.values()]),
            Column("Best there is", [row.scope or "-" for row in rows.values()], words=True),
            Column(
                "Others found",
                ["-" if row.others is None else f"{row.others}" for row in rows.values()],
            ),
        ]
    )
    page.sentence(
        "Residual: how far the conditions for the outcome are from being met exactly. Regret: the"
        " most that any firm would gain by any other choice of its own, small or large; a dash"
        " where nobody chooses alone. Both are in units in which a payoff is about 1, so that 1e-9"
        " is a billionth of it. Converged: solved inside all bounds. Corner: solved with some level"
        " at a bound, such as nothing shared. Proven: a search that covers every possible choice"
        " shows that none is better. Searched: many starting points led to nothing better, which is"
        " no proof."
    )


def _small(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}" if value else "0"


def _exact(value: float | None) -> str:
    """Whether it is nil to a billionth: its digits would tell which market it is of."""
    return "-" if value is None else "below 1e-9" if value < 1e-9 else "above 1e-9"


def details(subject: Subject, page: Page) -> None:
    """What each report would earn under each tax rule, where types are private."""
    reported(subject.result["mechanism"], page, subject.scale)


def _named(key: str, subject: Subject) -> str:
    return label(key, subject.scale.firms)
