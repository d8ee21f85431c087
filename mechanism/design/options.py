"""What cannot be asked of transfers that are solved for, and why: every condition, limit and reason
once.

They are read where a file is checked (`schema`, `setting_file`), where a case's rules are run
(`transfers`), and by `pigou design`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mechanism.design.rules import DESIGNED, TAX_RULES

LARGEST = {"by_type": 203, "by_state": 103, "lotteries": 21, "joint": 16, "joint_lotteries": 8}
"""Points per firm up to which a program is stated: with a transfer per own report, with one per
pair of reports, with lotteries in every state, with joint reports that may not pay, with both."""

UNLIMITED = ("min_outlay", "min_worst_deficit")
"""Objectives that have no limit where nobody may refuse to take part."""


@dataclass(frozen=True, kw_only=True)
class WhyNot:
    """Why transfers are not solved for."""

    code: str
    text: str
    """The reason, as a sentence without its full stop."""
    fault: str = ""
    """The same after the name of the option of a file that asks for it."""


PRINTED_PAYOFF = WhyNot(
    code="printed_payoff",
    text="transfers are solved for with payoff with_cost: in payoff printed types have no part",
    fault="with payoff printed, in which types have no part; use payoff with_cost",
)
NO_LIMIT = WhyNot(
    code="no_limit",
    text=(
        "what firms that may not refuse can be made to pay has no limit: ask for participation or"
        " another objective"
    ),
    fault="and participation none: what firms that may not refuse can be made to pay has no limit",
)
LOTTERIES = WhyNot(
    code="lotteries",
    text=f"second_best needs the rule {DESIGNED}: lotteries and transfers are solved for together",
    fault=(
        f"second_best, which needs tax_rule {DESIGNED}: lotteries and transfers are solved for"
        " together"
    ),
)
NO_LEVELS = WhyNot(
    code="no_levels",
    text=(
        "at some pair of types the planner's problem has no solution, so there are no levels to"
        " assign"
    ),
)
NO_OUTSIDE = WhyNot(
    code="no_outside",
    text=(
        "what staying out is worth is not known: at some pair of types the market that would then"
        " be has no equilibrium that was found"
    ),
)
NO_TRANSFERS = WhyNot(
    code="no_transfers", text="no transfers were found that do what the case asks of them"
)
COLLUSION = WhyNot(
    code="collusion",
    text=(
        f"proof against collusion is solved for: it needs the rule {DESIGNED}; what others leave to"
        " gain is among the checks"
    ),
)


PAYMENTS = WhyNot(
    code="payments",
    text=f"a rule with a formula pays: a mechanism without payments needs the rule {DESIGNED}",
    fault=f"none, which needs tax_rule {DESIGNED}: a rule with a formula pays",
)


def without_payments(rule: str, payments: str) -> WhyNot | None:
    """Why a rule is none without payments; None where it is, or they are allowed."""
    return None if payments == "allowed" or TAX_RULES[rule].designed else PAYMENTS


LIMITS = ("transfer_floor", "transfer_cap")
"""The options that limit what players may receive."""

LIMITED = WhyNot(
    code="limits",
    text=(
        "what players may receive is limited where transfers are solved for: it needs the rule"
        f" {DESIGNED} and payments allowed"
    ),
    fault=f"needs tax_rule {DESIGNED} and payments allowed",
)


def with_limits(rule: str, payments: str) -> WhyNot | None:
    """Why what players receive can have no limits; None where it can."""
    return None if payments == "allowed" and TAX_RULES[rule].designed else LIMITED


def no_limit(payoff: str, participation: str, objective: str) -> WhyNot | None:
    """Why the market has no best transfers, whatever its types; None where it has."""
    if payoff == "printed":
        return PRINTED_PAYOFF
    return NO_LIMIT if participation == "none" and objective in UNLIMITED else None


def by_formula(rule: str, allocation: str, collusion: str = "ignored") -> WhyNot | None:
    """What a rule with a formula cannot do; None where it, or one that is solved for, can."""
    if TAX_RULES[rule].designed:
        return None
    return COLLUSION if collusion == "proof" else LOTTERIES if allocation == "second_best" else None


def expectations_count(incentive: str, timing: str, participation: str) -> bool:
    """Whether nothing but expected transfers given the own report matters: truth Bayesian, and
    joining decided by the own type alone."""
    return incentive == "bayesian" and (timing == "interim" or participation == "none")


def beliefs_count(incentive: str, timing: str, participation: str) -> bool:
    """Whether anything is asked in expectation over the others' types given the own."""
    return incentive == "bayesian" or (timing == "interim" and participation != "none")


def too_many(points: int, kind: str) -> WhyNot | None:
    """Why a program of this kind, one of `LARGEST`, is not stated for so many points per firm; None
    where it is."""
    most = LARGEST[kind]
    if points <= most:
        return None
    return WhyNot(
        code="too_many",
        text=(
            f"{points} points per firm are more than the {most} that are solved for; lower"
            " types.points"
        ),
    )
