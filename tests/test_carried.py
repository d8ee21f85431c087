"""Levels carried to all pairs of types: what certifies them catches a small error anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import market.solve.optimum as optimum
from market.regimes import REGIMES, firm_game
from market.regimes.carried import carried
from market.solve.equilibrium import examine
from mechanism.casefile.policy_case import load_case
from mechanism.scheme.allocation import allocate, case_at_pairs

CASE = load_case(Path(__file__).parents[1] / "cases" / "two_vendors.yaml").market
POINTS = np.linspace(0.2, 0.8, 14)
MOVED = 1e-6


def moved(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies (4 P, P, 4) of levels (P, 4) with one level of one pair moved inward, and which pair
    that is, (4 P, P)."""
    pairs = len(levels)
    copies = np.repeat(levels[None], 4 * pairs, 0)
    copy, pair, level = (
        np.arange(4 * pairs),
        np.repeat(np.arange(pairs), 4),
        np.arange(4 * pairs) % 4,
    )
    step = np.where(level < 2, 1.0, np.abs(CASE.intercept).mean()) * MOVED
    copies[copy, pair, level] -= step
    return copies, np.arange(pairs) == pair[:, None]


@pytest.mark.parametrize("key", ["social_optimum", "joint_profit", "first_best"])
def test_one_level_of_one_pair_moved_by_a_millionth_is_caught(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a step nothing is mended, and only what certifies is left."""
    at = case_at_pairs(CASE, POINTS).map(lambda a: a.reshape(1, -1, a.shape[-1]))
    levels = allocate(CASE, POINTS, key).levels.reshape(-1, 4)
    monkeypatch.setattr(optimum, "SWEEPS", 0)
    copies, where = moved(levels)
    every = at.map(lambda a: np.broadcast_to(a, (len(copies), *a.shape[1:])))
    assert (carried(every, REGIMES[key], copies).holds == ~where).all()


def test_so_it_is_in_equilibria() -> None:
    levels = allocate(CASE, POINTS, "nash").levels.reshape(-1, 4)
    at = case_at_pairs(CASE, POINTS).flat()
    game = firm_game(at, REGIMES["nash"])
    assert examine(game, levels).at_rest.all()
    for level in range(4):
        off = levels.copy()
        off[:, level] -= MOVED * (1.0 if level < 2 else 30.0)
        assert not examine(game, off).at_rest.any()
