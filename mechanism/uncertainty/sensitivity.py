"""Which of the keys that are not known exactly a figure, or the choice itself, turns on.

Three ways, from a quick look to the full account:

- **tornado**: every key alone at its 5th and 95th percentile, the others at the case's own values;
- **Morris**: elementary effects along random paths over a grid of percentiles, 5th to 95th: the
  mean of their sizes says how much a key matters, their spread whether that depends on the others;
- **Sobol**: the first-order index Var(E[Y | x_k]) / Var(Y), the part of a figure's variance that
  would go if x_k alone were known, and the total one E[Var(Y | all but x_k)] / Var(Y), the part
  that would stay if everything but x_k were.

Sobol indices follow the case's rank correlations (Kucherenko, Tarantola and Annoni 2012): the two
partners of a point have x_k in common, or everything but x_k, and the rest is drawn given that.
Without correlations one partner serves both. The other two ways move keys one at a time,
correlations or not.

A point that is no admissible case, or a market without an outcome, counts nowhere: indices rest on
the triples, and elementary effects on the paths, that are whole. How many are not is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from market.casefile.faults import BadCase
from market.model.case import Array
from mechanism.casefile.distributions import copula_correlation, inside, root
from mechanism.casefile.policy_case import PolicyCase, case_at
from mechanism.casefile.uncertainty import Uncertainty
from mechanism.frozen import freeze
from mechanism.uncertainty.draws import certain, paths_of, sobol_points, values_at
from mechanism.uncertainty.standings import FIGURES, Standings, standings

Method = Literal["sobol", "morris", "tornado"]
METHODS: tuple[Method, ...] = ("sobol", "morris", "tornado")

CHOICE = "choice"
"""The figure that is 1 where what is recommended at the case's own numbers is recommended."""
GAIN = "gain"
"""The figure of that policy's value over today's market."""
ENDS = (0.05, 0.95)
"""Percentiles between which the quick ways move a key."""
LEVELS = 4
"""Of the grid of percentiles."""
CONFIDENCE = 0.9
"""Of the intervals of indices."""
RESAMPLES = 200
"""Of the bootstrap behind them."""
FEWEST = 8
"""Whole triples or paths from which indices are told."""
FEW = 30
"""Points at which a figure has to differ from what it mostly is, as a choice may at a few alone,
for what is told of it to be reliable: a share counted at 30 points is known to about a fifth."""


class NoFigure(ValueError):  # noqa: N818 - wrong usage, not an error of the program
    """A figure that nothing gives; the message says which there are."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """A Sobol index and its 90 per cent interval, by which it may leave [0, 1]."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SobolIndices:
    """One key's part in the variance of a figure; None where the figure does not vary, or too few
    points have an outcome."""

    first: Index | None
    total: Index | None
    points: int
    """Triples of points they rest on."""


@dataclass(frozen=True, kw_only=True)
class ElementaryEffects:
    """What a figure does as one key runs from its 5th to its 95th percentile, over several places;
    None where too few paths have an outcome."""

    size: float | None
    """Mean of the sizes (mu*)."""
    size_low: float | None
    size_high: float | None
    """Its 90 per cent interval."""
    mean: float | None
    """Mean with sign (mu): below the size where the key may move the figure either way."""
    spread: float | None
    """Standard deviation (sigma): large where the effect depends on where the others are, or on
    where the key is."""
    points: int
    """Paths they rest on."""


@dataclass(frozen=True, kw_only=True)
class Swing:
    """A figure with one key at its ends, the others at the case's own values; None where there is
    no outcome."""

    low: float
    high: float
    """Values of the key."""
    at_low: float | None
    at_high: float | None
    """The figure there."""


Found = SobolIndices | ElementaryEffects | Swing


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What figures turn on."""

    method: Method
    recommended: str | None
    """The policy that the choice and the gain are about; None where nothing is recommended at the
    case's own numbers."""
    base: Mapping[str, float | None]
    """Every figure at the case's own numbers; None without an outcome there."""
    found: Mapping[str, Mapping[str, Found]]
    """By figure and key."""
    varying: Mapping[str, int]
    """By figure: at how many of the points it is not what it is most often."""
    markets: int
    """Points that were asked for."""
    inadmissible: int
    """How many of them are no case."""
    without_outcome: int
    """How many of the others have none: no advice is given there."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def silent(self) -> bool:
        """Whether too few points have an outcome for anything to be told."""
        told = [one for keys in self.found.values() for one in keys.values()]
        return all(not isinstance(one, Swing) and one.points < FEWEST for one in told)


def sensitivity(
    case: PolicyCase,
    figures: tuple[str, ...] = (CHOICE, GAIN),
    method: Method = "sobol",
    points: int = 256,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Sensitivity:
    """What figures of a case, or the choice itself, turn on among what is not known exactly.

    Args:
        case: With a block `uncertainty`.
        figures: `choice`, `gain`, or `POLICY.FIGURE` as in `uncertainty.figures` of a result, such
            as `linear_subsidies.welfare`: every policy as it stands when everybody takes part, and
            today's market where it cannot be recommended.
        method: `sobol`, `morris` or `tornado`.
        points: Of `sobol` the base points, each of which takes a market for every key and two more
            (two for every key where keys are correlated); of `morris` the paths, each of which
            takes a market for every key and one more; `tornado` takes two for every key.
        tell: Hears how many markets of how many are solved.

    Raises:
        ValueError: Everything in the case is certain.
        NoFigure: There is no such figure.
        BadCase: The case itself is none any more.
        ModuleNotFoundError: SALib is not installed, which `sobol` and `morris` need.
    """
    block = case.uncertainty
    if block is None:
        raise ValueError("nothing in this case is uncertain; give it a block `uncertainty`")
    design = _DESIGNS[method](block, points)
    values = design.values
    tree, paths = certain(case), paths_of(block)
    base = case_at(tree, {})
    if isinstance(base, BadCase):
        raise base
    told = [
        case_at(tree, {paths[k]: float(row[k]) for k in np.flatnonzero(np.isfinite(row))})
        for row in values
    ]
    cases = [base, *(one for one in told if isinstance(one, PolicyCase))]
    alone = standings(cases[:1])
    best = str(alone.best[0]) or None
    for name in figures:  # what nothing gives is refused before markets are solved
        figure_of(alone, name, best)
    solved = standings(cases, lambda done: tell(done, len(cases)))
    at = np.flatnonzero([isinstance(one, PolicyCase) for one in told])
    found, own, varying = {}, {}, {}
    for name in figures:
        figure = figure_of(solved, name, best)
        every = np.full(len(values), np.nan)
        every[at] = figure[1:]
        own[name] = None if np.isnan(figure[0]) else float(figure[0])
        found[name] = dict(zip(block.keys, design.told(every), strict=True))
        varying[name] = varying_points(every)
    return Sensitivity(
        method=method,
        recommended=best,
        base=own,
        found=found,
        varying=varying,
        markets=len(values),
        inadmissible=len(values) - len(at),
        without_outcome=int((~solved.there[1:]).sum()),
    )


def varying_points(figure: Array) -> int:
    """At how many points with an outcome a figure is not what it is most often."""
    known = figure[np.isfinite(figure)]
    return int(len(known) - max(np.unique(known, return_counts=True)[1], default=0))


def figure_of(solved: Standings, name: str, recommended: str | None) -> Array:
    """(n,): a figure at every case; NaN where there is no outcome."""
    if name in (CHOICE, GAIN):
        if recommended is None:
            raise NoFigure(
                f"{name} is about the policy recommended at the case's own numbers, and none is;"
                " ask for a policy's figure, such as"
                f" {solved.today}.welfare"
            )
        here, now = (solved.figure("value", key) for key in (recommended, solved.today))
        chosen = np.where(solved.there, solved.best == recommended, np.nan)
        return chosen if name == CHOICE else here - now
    policy, _, kind = name.partition(".")
    if policy not in solved.policies or kind not in FIGURES:
        raise NoFigure(
            f"{name} is no figure; there are {CHOICE}, {GAIN}, and POLICY.FIGURE with POLICY one of"
            f" {', '.join(solved.policies)} and FIGURE one of {', '.join(FIGURES)}"
        )
    return solved.figure(kind, policy)


# --- Sobol


class SobolDesign:
    """Points A, B and, for each key, the partner of A that has the key's value of B: given it for
    the first-order index, given the rest of A for the total one.

    `values` (rows, K) are A, B, the partners of the first kind and, where keys are correlated, of
    the second, one key after the other.
    """

    def __init__(self, block: Uncertainty, points: int) -> None:
        from scipy.special import ndtr, ndtri

        self.n, self.seed, K = points, block.seed, len(block.keys)
        mix = root(copula_correlation(block.rank_correlation))
        correlation = mix.T @ mix
        both = ndtri(inside(sobol_points(points, 2 * K, block.seed)))
        a, b = both[:, :K] @ mix, both[:, K:] @ mix
        given, rest = [], []
        for k in range(K):
            others = np.arange(K) != k
            along = correlation[others, k]
            one = a.copy()
            one[:, others] += np.outer(b[:, k] - a[:, k], along)
            one[:, k] = b[:, k]
            given.append(one)
            expected = np.linalg.lstsq(correlation[np.ix_(others, others)], along, rcond=None)[0]
            other = a.copy()
            other[:, k] = b[:, k] + (a - b)[:, others] @ expected
            rest.append(other)
        self.correlated = bool((block.rank_correlation != np.eye(K)).any())
        blocks = [a, b, *given, *(rest if self.correlated else [])]
        self.values = values_at(block, ndtr(np.concatenate(blocks)))

    def told(self, y: Array) -> list[Found]:
        """The indices of every key from a figure (rows,) at the points."""
        a, b, *partners = y.reshape(-1, self.n)
        given = partners[: self.values.shape[1]]
        rest = partners[-self.values.shape[1] :]
        return [self._indices(a, b, *pair) for pair in zip(given, rest, strict=True)]

    def _indices(self, a: Array, b: Array, given: Array, rest: Array) -> SobolIndices:
        whole = np.isfinite([a, b, given, rest]).all(0)
        count = int(whole.sum())
        if count < FEWEST or not np.ptp(np.r_[a[whole], b[whole]]):
            return SobolIndices(first=None, total=None, points=count)
        return SobolIndices(
            first=self._index("S1", a[whole], given[whole], b[whole]),
            total=self._index("ST", a[whole], rest[whole], b[whole]),
            points=count,
        )

    def _index(self, name: str, a: Array, partner: Array, b: Array) -> Index:
        from SALib.analyze import sobol

        problem = {"num_vars": 1, "names": ["x"], "bounds": [[0.0, 1.0]]}
        found = sobol.analyze(
            problem,
            np.stack([a, partner, b], -1).ravel(),
            calc_second_order=False,
            num_resamples=RESAMPLES,
            conf_level=CONFIDENCE,
            seed=self.seed + 1,  # nil would leave it open
        )
        value, apart = float(found[name][0]), float(found[f"{name}_conf"][0])
        return Index(value=value, low=value - apart, high=value + apart)


# --- one key at a time


class MorrisDesign:
    """Paths of K + 1 points over the grid, each with one key moved."""

    def __init__(self, block: Uncertainty, points: int) -> None:
        from SALib.sample import morris

        self.seed, K = block.seed, len(block.keys)
        self.problem = {
            "num_vars": K,
            "names": list(block.keys),
            "bounds": [list(ENDS)] * K,
        }
        self.p = morris.sample(self.problem, points, num_levels=LEVELS, seed=block.seed + 1)
        self.values = values_at(block, self.p)

    def told(self, y: Array) -> list[Found]:
        """The effects of every key from a figure (rows,) at the points."""
        from SALib.analyze import morris

        K = self.values.shape[1]
        paths = y.reshape(-1, K + 1)
        whole = np.isfinite(paths).all(1)
        count = int(whole.sum())
        if count < FEWEST:
            nothing = dict.fromkeys(("size", "size_low", "size_high", "mean", "spread"))
            return [ElementaryEffects(**nothing, points=count)] * K
        found = morris.analyze(
            self.problem,
            self.p.reshape(-1, K + 1, K)[whole].reshape(-1, K),
            paths[whole].ravel(),
            num_resamples=RESAMPLES,
            conf_level=CONFIDENCE,
            num_levels=LEVELS,
            seed=self.seed + 1,
        )
        return [
            ElementaryEffects(
                size=float(size),
                size_low=float(size - apart),
                size_high=float(size + apart),
                mean=float(mean),
                spread=float(spread),
                points=count,
            )
            for size, apart, mean, spread in zip(
                *(found[name] for name in ("mu_star", "mu_star_conf", "mu", "sigma")), strict=True
            )
        ]


class TornadoDesign:
    """Each key at its two ends; the others keep the case's own values, which stand as NaN."""

    def __init__(self, block: Uncertainty, points: int) -> None:
        K = len(block.keys)
        self.ends = values_at(block, np.repeat(np.array(ENDS)[:, None], K, axis=1))
        self.values = np.full((2 * K, K), np.nan)
        for k in range(K):
            self.values[2 * k : 2 * k + 2, k] = self.ends[:, k]

    def told(self, y: Array) -> list[Found]:
        """The swing of every key."""
        return [
            Swing(low=float(low), high=float(high), at_low=_known(one), at_high=_known(other))
            for (low, high), (one, other) in zip(self.ends.T, y.reshape(-1, 2), strict=True)
        ]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


_DESIGNS: dict[Method, Callable[[Uncertainty, int], SobolDesign | MorrisDesign | TornadoDesign]] = {
    "sobol": SobolDesign,
    "morris": MorrisDesign,
    "tornado": TornadoDesign,
}
