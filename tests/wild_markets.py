"""Markets of wild sizes, solved by pigou and by an independent search, and where the two disagree.

    python tests/wild_markets.py [COUNT] [SEED] [--jobs N]

Every parameter is drawn over up to ten orders of magnitude, in units drawn likewise, such that most
markets are worth solving: investment costs about as often near what bounds a regime as far from it,
firms of equal and of very unequal size, products from unrelated to nearly the same, caps on
investment down to none at all. Market n of a seed is the same on its own.

An outcome of pigou's is believed when its figures are those of its levels by the formulas of
`wild_search`, nothing found there is better, and its status is the one found there: that no best
exists, that both firms sell, who is out. Payoffs agree to 1e-7 of the larger of their natural unit
and their size. Printed are the counts of statuses, every disagreement, and how often nothing could
be told because a market lies on the edge between two statuses. Exit code 1 where anything
disagrees.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wild_search import (  # noqa: E402
    GAMES,
    SOLE,
    Array,
    Market,
    accounts,
    admissible,
    earned,
    play,
    read,
    regret,
    sole,
    worth,
)

from market.model.outcome import Outcome  # noqa: E402
from market.regimes import solve_regime  # noqa: E402
from mechanism.casefile.policy_case import parse_tree  # noqa: E402

TOLERANCE = 1e-7
"""Of payoffs, relative to the larger of a natural unit and their size."""
EDGE = 1e-6
"""How near to one the growth of benefit over cost may come before it is not told whether a best
exists."""
REGIMES = ("nash", "no_sharing", *SOLE)
Tree = dict[str, Any]


# --- markets --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """Random numbers of all sizes."""

    rng: random.Random

    def ten(self, low: float, high: float) -> float:
        """A number of any order of magnitude between two powers of ten."""
        return float(10 ** self.rng.uniform(low, high))

    def one_of(self, *options: tuple[float, Callable[[], Any]]) -> Any:
        """What one of these makes, drawn by weight."""
        return self.rng.choices([make for _, make in options], [weight for weight, _ in options])[
            0
        ]()

    def firms(self, make: Callable[[], float], share: float = 0.4) -> Any:
        """A number for both firms or, at times, one per firm."""
        return [make(), make()] if self.rng.random() < share else make()

    def share(self) -> float:
        """A number in (0, 1), at times near an end."""
        even, low, high = (
            (5, self.rng.random),
            (2, lambda: self.ten(-6, -0.01)),
            (2, lambda: 1 - self.ten(-4, -0.01)),
        )
        return float(self.one_of((0.7, lambda: 0.0), even, low, high))


def made(seed: int, number: int) -> Tree:
    """The tree of a market; always the same for a seed and a number."""
    d = Draw(random.Random(f"{seed}/{number}"))
    a, b = d.ten(-5, 5), d.ten(-5, 5)
    apart = d.one_of((5, lambda: 1.0), (3, lambda: d.ten(-0.5, 0.5)), (2, lambda: d.ten(-4, 4)))
    slopes = d.one_of(
        (5, lambda: b),
        (3, lambda: [b * d.ten(-0.5, 0.5) for _ in "12"]),
        (1, lambda: [b * d.ten(-2, 2) for _ in "12"]),
    )
    near = d.share()
    saving = d.firms(d.share, 0.2)
    bounding = 1 / (b * (1 - near)) / d.rng.choice((1, 1 - np.max(saving).item()))
    scale = d.firms(
        lambda: d.one_of((3, lambda: bounding * d.ten(-0.3, 2)), (2, lambda: d.ten(-5, 5) / b)), 0.3
    )
    cost = {
        "form": d.rng.choice(("saturating", "saturating", "exponential", "restricted")),
        "scale": scale,
        "max_saving": saving,
        "spillover": d.firms(
            lambda: d.one_of(
                (8, d.rng.random), (4, lambda: d.ten(-9, 0)), (1, lambda: 0.0), (1, lambda: 1.0)
            )
        ),
    }
    if d.rng.random() < 0.7:
        cost["reference_investment"] = a * d.ten(-5, 5)
    if d.rng.random() < 0.4:
        cost["investment_cap"] = d.firms(
            lambda: (
                a * d.one_of((1, lambda: 0.0), (4, lambda: d.ten(-5, 5)), (2, lambda: d.ten(-1, 1)))
            )
        )
    tree = {
        "demand": {
            "intercept": a if apart == 1 else [a * apart**0.5, a / apart**0.5],
            "own_slope": slopes,
            "cross_slope": near * np.min(slopes).item(),
        },
        "security": {
            "rivalry": d.firms(d.share),
            "demand_spillover": d.firms(
                lambda: d.one_of(
                    (6, d.rng.random),
                    (2, lambda: d.ten(-8, 0)),
                    (1, lambda: -d.ten(-8, 0)),
                    (1, lambda: -d.rng.random()),
                )
            ),
            "leakage": _leakage(d, a),
        },
        "cost": cost,
    }
    if d.rng.random() < 0.35:
        tree["unit_cost"] = _unit_cost(d, a, b)
    return tree


def _leakage(d: Draw, a: float) -> Tree:
    def three() -> tuple[float, float, float]:
        cross, both = (a * d.one_of((1, lambda: 0.0), (3, lambda: d.ten(-6, 2))) for _ in "12")
        return (cross + both) * (1 + 1e-9) + a * d.ten(-5, 5), cross, both

    firms = [three() for _ in range(2 if d.rng.random() < 0.3 else 1)]
    return {
        key: list(pair) if len(pair) > 1 else pair[0]
        for key, pair in zip(("own", "cross", "interaction"), zip(*firms, strict=True), strict=True)
    }


def _unit_cost(d: Draw, a: float, b: float) -> Tree:
    base = d.firms(lambda: a / b * d.one_of((3, d.rng.random), (2, lambda: d.ten(-7, 0.3))))
    costs = {"base": base}
    if d.rng.random() < 0.5:
        costs["spillover"] = d.firms(lambda: np.max(base).item() / a * d.ten(-6, 4))
    for key, chance, size in (("slope", 0.6, a), ("curvature", 0.5, a * a)):
        if d.rng.random() < chance:
            costs[key] = d.firms(
                lambda size=size: d.one_of((1, lambda: 0.0), (3, lambda: d.ten(-6, 3))) / size
            )
    return costs


# --- comparison -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What one market led to."""

    number: int
    statuses: dict[str, str]
    """Of pigou's, by regime."""
    faults: tuple[str, ...]
    """Disagreements."""
    edges: int
    """Regimes in which nothing could be told."""


def size(value: Any) -> float:
    """What differences of a payoff are compared with, in natural units."""
    return max(1.0, float(np.max(np.abs(value))))


def sole_faults(m: Market, regime: str, outcome: Outcome, x: Array | None) -> Iterator[str]:
    """How a sole chooser's outcome disagrees; a lone "edge" where it cannot be told."""
    near = outcome.certificate.approached
    hints = [levels_in(m, near.levels)] if near is not None else []
    mine = sole(m, regime, hints if x is None else [x])
    if abs(mine.growth - 1) < EDGE or (mine.growth <= 1 < mine.dear and x is None):
        yield "edge"
        return
    if mine.status == "unbounded" or outcome.status == "unbounded":
        if mine.status != outcome.status:
            yield f"is {outcome.status}, but benefit over cost grows to {mine.growth:.9g}"
        return
    if x is not None:
        if not admissible(m, x, regime, 1e-9):
            yield "its levels have a firm that does not sell, or a negative unit cost"
        elif (short := mine.value - worth(m, x, regime)) > TOLERANCE * size(mine.value):
            here = f"is {outcome.status} at {worth(m, x, regime):.12g}"
            yield f"{here}, {short:.3g} short of {mine.value:.12g} at {mine.levels} ({mine.status})"
        elif mine.status != "solved" and np.allclose(x, mine.levels, rtol=1e-9, atol=0):
            yield (
                f"is {outcome.status} where firms {set(mine.out)} sell nothing or a unit cost is"
                f" nil ({mine.free})"
            )
        return
    if mine.levels is None:
        if outcome.status != "infeasible" or outcome.certificate.value is not None:
            yield f"is {outcome.status}, but at no levels both firms sell"
        return
    if mine.status != outcome.status:
        yield (
            f"is {outcome.status} (value {shown(m, outcome)}), but {mine.value:.12g} is reached at"
            f" {mine.levels} ({mine.status})"
        )
        return
    value = outcome.certificate.value
    if mine.free or mine.idle:
        return  # nothing more is told of these
    if value is None or abs(value / m.money - mine.value) > TOLERANCE * size(mine.value):
        yield (
            f"is infeasible with {shown(m, outcome)}, but {mine.value:.12g} is reached at"
            f" {mine.levels}"
        )
    elif outcome.certificate.driven_out not in mine.out and not equal(m):
        yield (
            f"names firm {outcome.certificate.driven_out}, but {set(mine.out)} are out at"
            f" {mine.levels}"
        )


def levels_in(m: Market, x: Array) -> Array:
    """A file's levels (4,) in natural units."""
    return np.concatenate([x[:2], x[2:] / m.amount])


def equal(m: Market) -> bool:
    """Whether the firms are the same."""
    return all(
        np.ndim(value) == 0 or (value == value[..., ::-1]).all()
        for value in vars(m).values()
        if not isinstance(value, str)
    )


def shown(m: Market, outcome: Outcome) -> str:
    """The value that is claimed, in natural units."""
    value = outcome.certificate.value
    return "no value" if value is None else f"{value / m.money:.12g}"


def game_faults(m: Market, regime: str, outcome: Outcome, x: Array | None) -> Iterator[str]:
    """How a game's outcome disagrees; a lone "edge" where it cannot be told."""
    sharing = regime == "nash"
    others = [levels_in(m, other.levels) for other in outcome.certificate.others]
    mine = play(m, sharing, [*others, *([] if x is None else [x])])
    if abs(mine.certain - 1) < EDGE or abs(mine.possible - 1) < EDGE:
        yield "edge"
        return
    if x is not None:
        scale = size(earned(m, x))
        gain = float(regret(m, x[None], sharing).max())
        if gain > TOLERANCE * scale:
            yield f"is {outcome.status}, but deviating gains {gain:.3g} of {scale:.3g}"
        elif (
            mine.inside
            and (short := float((earned(m, mine.inside[0]) - earned(m, x)).sum()))
            > TOLERANCE * scale
        ):
            yield (
                f"is {outcome.status}, but joint profit is {short:.3g} of {scale:.3g} higher in the"
                f" equilibrium {mine.inside[0]}"
            )
        return
    if mine.inside:
        yield f"is {outcome.status}, but {mine.inside[0]} is an equilibrium"
    elif outcome.status == "infeasible":
        if outcome.certificate.driven_out is not None:
            stands = [
                each
                for each in others
                if regret(m, each[None], sharing).max() <= TOLERANCE * size(earned(m, each))
            ]
            if not stands:
                yield (
                    f"has no equilibrium among its others {others} with firm"
                    f" {outcome.certificate.driven_out} out"
                )
        elif (
            not mine.nil
            and not (m.saved > 0).any()
            and not any(out == 2 for _, out in mine.without)
        ):
            yield f"is infeasible without naming a firm, but {mine.without} are equilibria"
    elif mine.without:
        yield f"is {outcome.status}, but {mine.without[0]} is an equilibrium without a firm"
    elif (
        (outcome.status == "unbounded") != (mine.possible > 1)
        if outcome.status == "unbounded"
        else mine.certain > 1
    ):
        yield (
            f"is {outcome.status}, but replies grow to {mine.certain:.9g} with nothing saved,"
            f" {mine.possible:.9g} with the most"
        )
    elif outcome.status not in ("unbounded", "no_equilibrium"):
        yield f"is {outcome.status}"


def compare(seed: int, number: int, regimes: Sequence[str] = REGIMES) -> Compared:
    """One market solved both ways."""
    tree = made(seed, number)
    case, m = parse_tree(tree).market, read(tree)
    statuses: dict[str, str] = {}
    faults: list[str] = []
    edges = 0
    for regime in regimes:
        outcome = solve_regime(case, regime)
        statuses[regime] = outcome.status
        x = None if outcome.levels is None else levels_in(m, outcome.levels)
        found = list((game_faults if regime in GAMES else sole_faults)(m, regime, outcome, x))
        if x is not None:
            profit, welfare = accounts(m, x, SOLE[regime][0] if regime in SOLE else "bertrand")
            told = np.array([*outcome.profit, outcome.welfare]) / m.money
            here = np.array([*profit, welfare])
            if np.abs(told - here).max() > TOLERANCE * size(here):
                found.append(f"has profits and welfare {told}, which are {here} at its levels")
        edges += found == ["edge"]
        faults += [f"{regime}: {what}" for what in found if what != "edge"]
    return Compared(number=number, statuses=statuses, faults=tuple(faults), edges=edges)


@dataclass(kw_only=True)
class Tally:
    """What many markets led to."""

    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {regime: Counter() for regime in REGIMES}
    )
    compared: list[Compared] = field(default_factory=list)

    def add(self, each: Compared) -> None:
        """Count one more."""
        self.compared.append(each)
        for regime, status in each.statuses.items():
            self.counts[regime][status] += 1

    @property
    def faults(self) -> list[str]:
        """All disagreements."""
        return [f"market {each.number}: {fault}" for each in self.compared for fault in each.faults]

    def __str__(self) -> str:
        lines = [
            f"{regime:16}" + ", ".join(f"{status} {n}" for status, n in sorted(counts.items()))
            for regime, counts in self.counts.items()
        ]
        out = sum("infeasible" in each.statuses.values() for each in self.compared)
        edges = sum(each.edges for each in self.compared)
        many = f"{len(self.compared)} markets, {out} with a firm driven out in some regime"
        lines.append(f"{many}; {edges} outcomes on an edge; {len(self.faults)} disagreements")
        return "\n".join(lines)


def run(count: int, seed: int, *, jobs: int = 1) -> Tally:
    """So many markets compared."""
    tally = Tally()
    if jobs > 1:
        with ProcessPoolExecutor(jobs) as pool:
            for each in pool.map(partial(compare, seed), range(count)):
                tally.add(each)
        return tally
    for number in range(count):
        tally.add(compare(seed, number))
    return tally


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Compare pigou with an independent search on markets of wild sizes."
    )
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--show", type=int, help="print one market's tree and its disagreements")
    given = parser.parse_args(arguments)
    if given.show is not None:
        print(json.dumps(made(given.seed, given.show), indent=1))
        print("\n".join(compare(given.seed, given.show).faults))
        return 0
    tally = run(given.count, given.seed, jobs=given.jobs)
    print(*tally.faults, tally, sep="\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
