"""Policies: what can be done about a market, or compared with what can be. One row each, which owns
everything true of it.

Regimes (`market.regimes`) and tax rules (`mechanism.design.rules`) are policies too: what their own
rows say is read off them. Whatever lists policies, names one, or asks what it takes reads it here,
as the tables are at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from market.regimes import REGIMES, Regime
from market.text import FIRMS, opening
from mechanism.casefile.standard import CONSUMERS_LOSE
from mechanism.design.rules import TAX_RULES, TaxRule

TODAY = "nash"
"""The regime that is the market as it is where everything is known."""
GOAL = "social_optimum"
"""The regime whose levels subsidies and taxes aim at."""

Requires = Literal["nothing", "permission", "order", "money", "reports"]
"""What it takes: nothing, that firms may agree, that somebody orders levels, public money, or
reports of what is private as well."""
RUNGS: tuple[Requires, ...] = get_args(Requires)
"""The same from least to most."""
Source = Literal[
    "regime",
    "full_information",
    "own_rule",
    "rates",
    "private_market",
    "rule",
    "attainable",
    "imposed",
]
"""What supplies its figures: a regime, subsidy and tax with full information, the case's own tax
rule, rates per unit, the market in which firms know their own types alone, a tax rule, or the
levels of the highest value, paid for or imposed."""
Where = Literal["always", "known", "private", "unpaid", "never"]
"""Where it stands in the comparison of a case: always, where nothing is private, where types are,
where nobody may refuse, or never."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy and everything true of it."""

    key: str
    """Its name in results and options."""
    phrase: str
    """What it is called in the middle of a sentence."""
    source: Source
    """What supplies its figures."""
    requires: Requires | None
    """What it takes; None of what nobody can choose, or what is asked of it depends on what it
    comes to."""
    label: str | None = None
    """What it is called in tables; None where its key is enough."""
    advised: str | None = None
    """What doing it is called in advice; None: its phrase."""
    code: str = field(default="")
    """What findings about it are called; its key unless told."""
    compared: Where = "never"
    """Where it has a row in the comparison."""
    barred: str = ""
    """Why it never competes unless a case allows it, a code of `ranking.WHY_NOT`; empty where it
    may."""
    needs_types: bool = False
    """Whether it can only be had where the types are known."""
    told_elsewhere: bool = False
    """Whether its missing figures are a finding, or a failure of other outcomes that is told with
    them."""
    contrast: bool = False
    """Whether nobody expects it to be better than the market as it is."""
    mirror: bool = False
    """Whether for equal firms it is another regime with the firms exchanged."""

    def __post_init__(self) -> None:
        if not self.code:
            object.__setattr__(self, "code", self.key)

    def bar(self, private: bool) -> str:
        """Why it does not compete, by whether types are private; empty where it may."""
        return self.barred or ("types_known" if private and self.needs_types else "")

    def stands(self, private: bool, unpaid: bool, drawn: bool = False) -> bool:
        """Whether it has a row in a comparison, by whether types are private, nobody may refuse,
        and the most that can be attained at reports is asked for too."""
        if drawn and self.source == "attainable":
            return True
        if self.compared in ("known", "private"):
            return (self.compared == "private") == private
        return self.compared == "always" or (self.compared == "unpaid" and unpaid)

    @property
    def doing(self) -> str:
        """What doing it is called."""
        return self.advised or self.phrase


_INSTRUMENTS = {
    policy.key: policy
    for policy in (
        Policy(
            key="bayes_nash",
            label="Market today, types private",
            phrase="today's market",
            advised="leave the market as it is",
            source="private_market",
            requires="nothing",
            compared="private",
            contrast=True,
        ),
        Policy(
            key="linear_subsidies",
            label="Plain subsidies per unit",
            phrase="plain subsidies per unit",
            advised="pay plain subsidies per unit of investment and of sharing",
            source="rates",
            requires="money",
            compared="always",
            told_elsewhere=True,
        ),
        Policy(
            key="vcg_full_information",
            label="Subsidy and tax, full information",
            phrase="the full-information subsidy and tax",
            advised=(
                "pay the full-information subsidy and tax, which make the planner's levels an"
                " equilibrium"
            ),
            source="full_information",
            requires="money",
            compared="always",
            needs_types=True,
            told_elsewhere=True,
        ),
        Policy(
            key="second_best",
            label="Most that can be attained",
            phrase="the levels of the highest value",
            advised="ask firms for reports and draw the levels of the highest value by lot",
            source="attainable",
            requires=None,
            compared="known",
            barred="attainable",
            told_elsewhere=True,
        ),
        Policy(
            key="mandate",
            label="Levels ordered without payment",
            phrase="levels that are ordered without payment",
            advised="order levels without payment",
            source="imposed",
            requires="order",
            compared="unpaid",
            told_elsewhere=True,
        ),
        Policy(
            key="vcg_reported",
            label="Subsidy and tax, reported types",
            phrase="subsidy and tax at reported types",
            source="own_rule",
            requires="reports",
            compared="private",
            barred="copy",
        ),
    )
}

PRIVATE_MARKET = next(
    policy.key for policy in _INSTRUMENTS.values() if policy.source == "private_market"
)
"""The market as it is where every firm knows its own type alone."""


def policy_of(key: str, firms: tuple[str, str] = FIRMS) -> Policy:
    """The row of a policy in a market of firms of these names; `KeyError` where there is none."""
    if key in _INSTRUMENTS:
        return _INSTRUMENTS[key]
    return _of_regime(REGIMES[key], firms) if key in REGIMES else _of_rule(TAX_RULES[key])


def known(key: str) -> bool:
    """Whether there is such a policy."""
    return key in _INSTRUMENTS or key in REGIMES or (key in TAX_RULES and TAX_RULES[key].in_markets)


def _of_rule(rule: TaxRule) -> Policy:
    return Policy(
        key=rule.key,
        label=f"Subsidy and tax: {rule.label}",
        phrase=f"subsidy and tax at reported types with {rule.label}",
        advised=f"ask firms for reports and pay the subsidy and tax with {rule.label}",
        source="rule",
        requires="reports",
        compared="private" if rule.in_markets else "never",
        told_elsewhere=True,
    )


def _of_regime(regime: Regime, firms: tuple[str, str] = FIRMS) -> Policy:
    phrase, label = regime.phrase or f"the regime {regime.key}", regime.label or regime.key
    if regime.leader is not None:
        leader = firms[regime.leader]
        phrase, label = (
            phrase.replace("{leader}", leader),
            label.replace("{leader}", opening(leader)),
        )
    return Policy(
        key=regime.key,
        label=label,
        phrase=phrase,
        advised=regime.advised or (f"permit {phrase}" if regime.requires == "permission" else None),
        code=regime.code,
        source="regime",
        requires=regime.requires,
        compared="always" if regime.policy else "never",
        barred=_bar(regime),
        needs_types=regime.key == TODAY,
        contrast=regime.imposed is not None or regime.key == TODAY,
        mirror=regime.mirror_of is not None,
    )


def _bar(regime: Regime) -> str:
    """Why a regime does not compete whatever the case; empty where it may."""
    if not regime.policy:
        return "no_policy"
    return "forbidden" if regime.forbidden else "benchmark" if regime.role == "benchmark" else ""


def policies() -> tuple[Policy, ...]:
    """Every policy that a comparison may show, in the order of reports: by what it asks, the market
    as it is first; then orders to set levels, a copy, what is forbidden, and what only shows what
    could be had."""
    regimes = [_of_regime(regime) for regime in REGIMES.values() if regime.policy]
    rules = [_of_rule(rule) for rule in TAX_RULES.values() if rule.in_markets]
    instruments = list(_INSTRUMENTS.values())
    private, (*others, copy) = instruments[0], instruments[1:]

    def able(requires: Requires) -> list[Policy]:
        return [row for row in regimes if row.requires == requires and not row.barred]

    paid = [row for row in others if row.requires == "money"]
    best = [row for row in others if row.requires != "money"]
    rest = sorted((row for row in regimes if row.barred), key=lambda row: row.barred == "benchmark")
    return (
        *able("nothing"),
        private,
        *able("order"),
        *able("permission"),
        *paid,
        *rules,
        *best,
        copy,
        *rest,
    )


def compared(private: bool, unpaid: bool = False, drawn: bool = False) -> tuple[Policy, ...]:
    """The rows of a comparison in their order, by whether types are private, whether nobody may
    refuse (participation `none`), and whether a second best is asked for."""
    return tuple(row for row in policies() if row.stands(private, unpaid, drawn))


def benchmarks() -> tuple[str, ...]:
    """The keys of what only shows what would be possible."""
    return tuple(row.key for row in policies() if row.barred == "benchmark")


def agreements() -> tuple[Policy, ...]:
    """What firms do where they may agree, the less far-reaching first."""
    return tuple(row for row in policies() if row.requires == "permission")


def today(private: bool) -> str:
    """The key of the market as it is, by whether types are private."""
    return PRIVATE_MARKET if private else TODAY


def followed(private: bool) -> tuple[str, ...]:
    """The keys of what can be had along a path and in a batch: every regime, and what a comparison
    shows beside them."""
    shown = [
        row.key
        for row in policies()
        if row.source != "own_rule" and (private or row.compared != "private")
    ]
    return (*dict.fromkeys([*REGIMES, *shown]),)


def allowable() -> tuple[str, ...]:
    """What a case may allow: what by rule does not compete and could be chosen, and that consumers
    lose."""
    return (
        *(row.key for row in policies() if row.barred in ("forbidden", "benchmark")),
        CONSUMERS_LOSE,
    )
