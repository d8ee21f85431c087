"""Policies: what can be done about a market, or compared with what can be. One row each, which owns everything true of it.

Regimes (`market.regimes`) and tax rules (`mechanism.rules`) are policies too: what their own rows say is read off them. Whatever lists
policies, names one, or asks what it takes reads it here, as the tables are at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from market.regimes import REGIMES, Regime
from mechanism.rules import TAX_RULES, market_rules

TODAY = "nash"
"""The regime that changes are measured against: the market as it is."""
GOAL = "social_optimum"
"""The regime whose levels subsidies and taxes aim at."""

Requires = Literal["nothing", "permission", "order", "money", "reports"]
"""What it takes: nothing, that firms may agree, that somebody orders levels, public money, or reports of what is private as well."""
Source = Literal["regime", "full_information", "own_rule", "rates", "private_market", "rule"]
"""What supplies its figures: a regime, subsidy and tax with full information, the case's own tax rule, rates per unit, the market in
which firms know their own types alone, or a tax rule."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy and everything true of it."""

    key: str
    """Its name in results and options."""
    phrase: str
    """What it is called in the middle of a sentence."""
    source: Source
    """What supplies its figures."""
    requires: Requires
    """What it takes."""
    label: str | None = None
    """What it is called in tables; None where its key is enough."""
    advised: str | None = None
    """What doing it is called in advice; None where that is never advised."""
    code: str = field(default="")
    """What findings about it are called; its key unless told."""
    compared: Literal["always", "private", "never"] = "never"
    """Whether it has a row in the comparison of a case: always, where types are private, or never."""
    competes: Literal["always", "known", "never"] = "always"
    """Whether it can be best: always, where nothing is private, or never, since it only shows what would be possible."""
    decisive: bool = False
    """Whether without its figures it cannot be said which policy is best."""
    many: bool = True
    """Whether it can be had at many cases at once, along a path and in a batch."""
    told_elsewhere: bool = False
    """Whether its missing figures are a finding, or a failure of other outcomes that is told with them."""
    contrast: bool = False
    """Whether nobody expects it to be better than the market as it is."""
    mirror: bool = False
    """Whether for equal firms it is another regime with the firms exchanged."""

    def __post_init__(self) -> None:
        if not self.code:
            object.__setattr__(self, "code", self.key)

    def can_win(self, private: bool) -> bool:
        """Whether it can be best, by whether types are private."""
        return self.competes == "always" or (self.competes == "known" and not private)


_INSTRUMENTS = {
    policy.key: policy
    for policy in (
        Policy(
            key="vcg_full_information",
            label="Subsidy and tax, full information",
            phrase="the full-information subsidy and tax",
            source="full_information",
            requires="money",
            compared="always",
            competes="known",
            decisive=True,
            many=False,
            told_elsewhere=True,
        ),
        Policy(
            key="vcg_reported",
            label="Subsidy and tax, reported types",
            phrase="subsidy and tax at reported types",
            source="own_rule",
            requires="reports",
            compared="private",
            decisive=True,
            many=False,
        ),
        Policy(
            key="linear_subsidies",
            label="Plain subsidies per unit",
            phrase="plain subsidies per unit",
            source="rates",
            requires="money",
            compared="always",
            many=False,
            told_elsewhere=True,
        ),
        Policy(
            key="bayes_nash",
            label="Market today, types private",
            phrase="today's market with private types",
            source="private_market",
            requires="nothing",
            many=False,
        ),
    )
}

PRIVATE_MARKET = next(policy.key for policy in _INSTRUMENTS.values() if policy.source == "private_market")
"""The market as it is where every firm knows its own type alone."""


def policy_of(key: str) -> Policy:
    """The row of a policy; `KeyError` where there is none."""
    if key in _INSTRUMENTS:
        return _INSTRUMENTS[key]
    if key in REGIMES:
        return _of_regime(REGIMES[key])
    rule = TAX_RULES[key]
    return Policy(key=key, phrase=rule.label, source="rule", requires="reports", many=not rule.observed)


def known(key: str) -> bool:
    """Whether there is such a policy."""
    return key in _INSTRUMENTS or key in REGIMES or (key in TAX_RULES and TAX_RULES[key].in_markets)


def _of_regime(regime: Regime) -> Policy:
    phrase = regime.phrase or f"the regime {regime.key}"
    advised = regime.advised or (f"permission for {phrase}" if regime.requires == "permission" else None)
    return Policy(
        key=regime.key,
        label=regime.label or regime.key,
        phrase=phrase,
        advised=advised and f"{advised} ({regime.key})",
        code=regime.code,
        source="regime",
        requires=regime.requires or "nothing",
        compared="always" if regime.policy else "never",
        competes="never" if regime.role == "benchmark" else "always",
        decisive=regime.key == GOAL,
        contrast=regime.imposed is not None or regime.key == TODAY,
        mirror=regime.mirror_of is not None,
    )


def compared(private: bool) -> tuple[Policy, ...]:
    """The rows of a comparison in their order: what firms do, what money does, what a planner would do."""
    regimes = [_of_regime(regime) for regime in REGIMES.values()]
    rows = [row for row in regimes if row.competes != "never"]
    rows += _INSTRUMENTS.values()
    rows += [row for row in regimes if row.competes == "never"]
    return tuple(row for row in rows if row.compared == "always" or (row.compared == "private" and private))


def benchmarks() -> tuple[str, ...]:
    """The keys of what only shows what would be possible."""
    return tuple(row.key for row in compared(private=False) if row.competes == "never")


def agreements() -> tuple[Policy, ...]:
    """What firms do where they may agree, the less far-reaching first."""
    return tuple(row for row in compared(private=False) if row.requires == "permission")


def free_of_charge() -> tuple[Policy, ...]:
    """What costs the public nothing and nobody has to order: agreements, then the market as it is."""
    return (*agreements(), policy_of(TODAY))


def case_by_case(key: str) -> bool:
    """Whether it is a policy that only the evaluation of one case has."""
    return known(key) and not policy_of(key).many


def followed(private: bool) -> tuple[str, ...]:
    """The keys of what can be had at many cases at once; tax rules tax reports and need types."""
    return (*REGIMES, *(market_rules() if private else ()))
