"""Markets drawn from what a case says is not known exactly.

Points of a scrambled Sobol sequence become normal numbers, which a Gaussian copula joins by the
case's rank correlations, and those become values by each parameter's distribution. A draw that is
no admissible case (a share above one, a cross slope above an own one) is counted and replaced by a
further point of the sequence: the distributions are those of the block, given that the market is
one.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from market.casefile.faults import BadCase, Fault, KeyPath
from market.model.case import Array
from market.text import Json
from mechanism.casefile.case_keys import key_path
from mechanism.casefile.distributions import correlated, quantile
from mechanism.casefile.policy_case import PolicyCase, case_at
from mechanism.casefile.uncertainty import Uncertainty
from mechanism.frozen import freeze

MOST_TRIED = 20
"""Points tried for each draw that is asked for."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Markets drawn."""

    keys: tuple[str, ...]
    """What is uncertain."""
    values: Array
    """(n, K): of the markets, in the order of the sequence."""
    cases: tuple[PolicyCase, ...]
    """The cases there, certain ones."""
    inadmissible: int
    """Points before the last of them that are no case."""
    seed: int
    why: Mapping[str, int]
    """How many of these had which key at fault."""

    def __post_init__(self) -> None:
        freeze(self)


def draw(case: PolicyCase) -> Draws:
    """As many markets as the case's block asks for.

    Raises:
        ValueError: Everything in the case is certain.
        BadCase: Hardly any draw is an admissible case.
    """
    block = case.uncertainty
    if block is None:
        raise ValueError("nothing in this case is uncertain; give it a block `uncertainty`")
    tree, paths = certain(case), paths_of(block)
    found: list[PolicyCase] = []
    kept: list[Array] = []
    why: Counter[str] = Counter()
    tried = 0
    for values in _points(block):
        if len(found) == block.draws:
            break
        tried += 1
        drawn = case_at(tree, dict(zip(paths, values.tolist(), strict=True)))
        if isinstance(drawn, BadCase):
            why[drawn.faults[0].key.partition("[")[0]] += 1
        else:
            found.append(drawn)
            kept.append(values)
    if len(found) < block.draws:
        often = ", ".join(f"{key} ({count:,})" for key, count in why.most_common(3))
        raise BadCase(
            [
                Fault(
                    None,
                    "uncertainty",
                    f"gives {tried - len(found):,} of {tried:,} draws that are no case, at fault"
                    f" most often {often}; narrow the distributions",
                )
            ]
        )
    return Draws(
        keys=block.keys,
        values=np.array(kept),
        cases=tuple(found),
        inadmissible=tried - len(found),
        seed=block.seed,
        why=dict(why),
    )


def paths_of(block: Uncertainty) -> list[KeyPath]:
    """The places of what is uncertain in a case's tree."""
    return [key_path(key) for key in block.keys]


def certain(case: PolicyCase) -> Json:
    """The case's tree without its uncertainty and without what is expected of its results."""
    return case.resolved | {"uncertainty": None, "expect": {}}


def _points(block: Uncertainty) -> list[Array]:
    """The points of the sequence as values (K,)."""
    uniform = sobol_points(MOST_TRIED * block.draws, len(block.keys), block.seed)
    return list(values_at(block, correlated(uniform, block.rank_correlation)))


def sobol_points(count: int, size: int, seed: int) -> Array:
    """Points (count, size) of a scrambled Sobol sequence in [0, 1]."""
    from scipy.stats import qmc

    sobol = qmc.Sobol(d=size, scramble=True, rng=np.random.default_rng(seed))
    with warnings.catch_warnings():
        # A number of draws that is no power of two is what the case asks for.
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(sobol.random(count))


def values_at(block: Uncertainty, p: Array) -> Array:
    """Values (n, K) of the keys at probabilities (n, K), each of its own distribution."""
    columns = [quantile(one, p[:, k]) for k, one in enumerate(block.distributions.values())]
    return np.stack(columns, -1)
