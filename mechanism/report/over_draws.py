"""What markets drawn from what is not known exactly say of figures and of the choice: as values,
and in the sentence of the answer. `mechanism.uncertainty` works them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from market.text import capitalised
from mechanism.casefile.policies import policy_of
from mechanism.frozen import freeze
from mechanism.report.words import Words, amount

RATES = "linear_subsidies"
"""The policy whose rates can be kept whatever the market turns out to be."""
OFTEN = 0.05
"""Share of draws from which on it is said that kept rates are worse than nothing."""
SAME = 1e-9
"""Share of the largest amount up to which amounts are equal."""
MOSTLY = 0.5
"""Share of the wrong draws above which conditions are said to hold mostly where a choice is
wrong."""


@dataclass(frozen=True, kw_only=True)
class FigureOverDraws:
    """A figure over all draws with an outcome."""

    mean: float
    sd: float
    """Of the draws around it."""
    quantiles: Mapping[str, float]
    """By name, `p5` to `p95`."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class PolicyOverDraws:
    """One policy over all draws with an outcome. Where it cannot be recommended, choosing it leaves
    today's market as it is."""

    policy: str
    best_share: float
    """In how many of them it is what would be recommended."""
    competes_share: float
    """In how many of them it may be recommended."""
    mean_value: float | None
    """V, money; None where it never competes."""
    regret_mean: float | None
    """What the recommended policy is worth more there."""
    regret_max: float | None


@dataclass(frozen=True, kw_only=True)
class KeptRates:
    """Plain subsidies at the rates of the case's own numbers, fixed before it is known which market
    it is; firms know it, and flat parts are settled there. Over the draws with an outcome in which
    these rates lead to an equilibrium."""

    draws: int
    """How many these are."""
    mean_value: float
    """V, money."""
    regret_mean: float
    """What the recommended policy, with the rates of the draw, is worth more there."""
    regret_max: float
    worse_share: float
    """In how many of them they are worth less than today's market."""
    consumers_lose_share: float
    """In how many consumers lose against it."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A plain condition on one key."""

    key: str
    """Dotted."""
    above: bool
    """Whether it holds above the threshold; below it otherwise."""
    threshold: float

    @property
    def side(self) -> str:
        """In a word."""
        return "above" if self.above else "below"


@dataclass(frozen=True, kw_only=True)
class WrongWhere:
    """Plain conditions that together tell draws in which the recommendation is not the best from
    the others."""

    conditions: tuple[Condition, ...]
    """One to three, the one that tells most first."""
    share: float
    """Of the draws: where they all hold."""
    inside: float
    """In how many of these the recommendation is wrong."""
    outside: float
    """In how many of the others."""
    covers: float
    """How many of the wrong draws they take in."""

    @property
    def text(self) -> str:
        """In words."""
        return " and ".join(
            f"{one.key} is {one.side} {amount(one.threshold)}" for one in self.conditions
        )


@dataclass(frozen=True, kw_only=True)
class OverDraws:
    """Figures and the choice over markets drawn."""

    draws: int
    seed: int
    """Of the draws."""
    without_outcome: int
    """Draws in which nothing is recommended: today's market, the planner's problem or a competing
    policy has no outcome. Everything else is told of the others."""
    unsolved: int
    """Further draws that the case asks for and that were not solved: nothing can be recommended at
    its own numbers, nor in any draw that was."""
    inadmissible: int
    """Points that are no case and were drawn again."""
    recommended: str | None
    """The policy that is right or wrong: what is recommended at the case's own numbers; None where
    nothing is."""
    figures: Mapping[str, FigureOverDraws]
    """By policy and figure, `nash.welfare`, and the recommended policy's `gain` over today."""
    policies: tuple[PolicyOverDraws, ...]
    """In the order of reports."""
    kept_rates: KeptRates | None
    """Plain subsidies whose rates are kept; None where types are private, or the case's own numbers
    give no rates."""
    value_of_information: Mapping[str, float]
    """What knowing a key before choosing would add to the mean value of the best choice. Money."""
    perfect_information: float | None
    """The same of knowing everything; None without an outcome."""
    wrong_where: tuple[WrongWhere, ...]
    """Where it is wrong, at most two such sets of conditions; empty where none tells more than
    chance."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def best_by(self) -> dict[str, str | None]:
        """The policy that is best most often, that of the highest mean value, and that of the
        smallest largest regret; of equals the first. None without an outcome."""
        able = [row for row in self.policies if row.competes_share]

        def first(amounts: list[float | None]) -> str | None:
            known = [amount for amount in amounts if amount is not None]
            most = max(known, default=0.0) - SAME * max(map(abs, known), default=0.0)
            pairs = zip(able, amounts, strict=True)
            return next((row.policy for row, v in pairs if v is not None and v >= most), None)

        return {
            "best_share": first([row.best_share for row in able]),
            "mean_value": first([row.mean_value for row in able]),
            "regret_max": first([None if (r := row.regret_max) is None else -r for row in able]),
        }

    def of(self, policy: str) -> PolicyOverDraws:
        """One policy."""
        return next(row for row in self.policies if row.policy == policy)


def chances(found: OverDraws, say: Words, zero: float) -> str:
    """How sure the recommendation is, in one sentence; amounts up to `zero` are none."""
    there = found.draws - found.without_outcome
    if not there and found.unsolved:
        return (
            f"Nor has any of the first {found.draws} draws of what is not known exactly an outcome;"
            f" the other {found.unsolved:,} were not solved: mend the case's own numbers first."
        )
    if not there:
        return f"None of {found.draws:,} draws of what is not known exactly has an outcome."
    if found.recommended is None:
        most = max(found.policies, key=lambda row: row.best_share)
        often = "all" if most.best_share == 1 else share(most.best_share)
        return (
            "Over what is not known exactly, what is best most often is"
            f" {policy_of(most.policy).phrase}, in {often} of {there:,} draws.{_uncounted(found)}"
        )
    own = found.of(found.recommended)
    text = (
        f"{capitalised(_subject(own))} right in all of {there:,} draws of what is not known exactly"
        if own.best_share == 1
        else _when_wrong(found, own, there, say, zero)
    )
    kept = found.kept_rates
    if kept is not None and found.recommended == RATES and kept.worse_share >= OFTEN:
        text += (
            ". The rates above, kept whatever it turns out to be, are worth less than today's"
            f" market in {share(kept.worse_share)}"
        )
    return f"{text}.{_uncounted(found)}{_gain(found, say)}"


def _uncounted(found: OverDraws) -> str:
    """Draws that do not count."""
    parts = []
    if found.without_outcome:
        parts.append(
            f"{found.without_outcome:,} of {found.draws:,} draws have no outcome and do not count"
        )
    if found.inadmissible:
        parts.append(f"{found.inadmissible:,} more were no admissible case and were drawn again")
    return f" {'; '.join(parts)}." if parts else ""


def _gain(found: OverDraws, say: Words) -> str:
    """The gain over today's market where most draws lie, which the gain at the case's own numbers
    need not be."""
    gain = found.figures.get("gain")
    if gain is None:
        return ""
    low, middle, high = (gain.quantiles[at] for at in ("p5", "p50", "p95"))
    return (
        f" The gain over today's market is {say.money(middle)} in the median draw, and"
        f" {amount(low)} to {amount(high)} in nine draws of ten."
    )


def _when_wrong(found: OverDraws, own: PolicyOverDraws, there: int, say: Words, zero: float) -> str:
    """How often a recommendation is right that is not always, where it is not, and the most that
    costs."""
    text = (
        f"Over what is not known exactly {_subject(own)} right in {share(own.best_share)} of"
        f" {there:,} draws"
    )
    where, most_lost = "", own.regret_max or 0.0
    if found.wrong_where:
        first = found.wrong_where[0]
        often = "mostly" if first.covers > MOSTLY else "most often"
        where = (
            f", {often} where {first.text} (in {share(first.inside)} of draws there, in"
            f" {share(first.outside)} elsewhere)"
        )
    if most_lost <= zero:
        return (
            f"{text}. What is preferred in the others{where}{',' if where else ''} asks or costs"
            " less and is worth no more"
        )
    return f"{text}{'; when wrong' if where else ''}{where}; regret at most {say.money(most_lost)}"


def _subject(own: PolicyOverDraws) -> str:
    """What is right or wrong: subsidies have the rates of each draw, not those of the answer."""
    return "plain subsidies at the rates of each draw are" if own.policy == RATES else "it is"


def share(value: float) -> str:
    """A share in per cent, that of some never called all or none."""
    for digits in (0, 1):
        text = f"{value:.{digits}%}"
        if value in (0, 1) or float(text[:-1]) not in (0, 100):
            return text
    return "less than 0.1%" if value < 1 / 2 else "more than 99.9%"
