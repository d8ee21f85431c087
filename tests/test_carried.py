"""Levels carried to all pairs of types: what certifies them catches a small error anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import market.solve.optimum as optimum
import mechanism.scheme.allocation as allocation
from market.regimes import REGIMES, firm_game
from market.regimes.carried import carried
from market.solve.equilibrium import examine
from mechanism.casefile.policy_case import load_case
from mechanism.scheme.allocation import allocate, case_at_pairs, levels_over_pairs

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


@pytest.mark.parametrize("key", ["social_optimum", "joint_profit"])
def test_levels_at_no_pair_are_taken_from_a_polynomial_unseen(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the polynomial right everywhere but at one pair, the levels there would still be those
    of the optimum: what certifies is asked at every pair, not at those alone that it runs
    through."""
    truth = allocate(CASE, POINTS, key).levels
    size = len(POINTS)
    pairs = np.argwhere(np.tri(size, dtype=bool))  # firms are equal: the others are exchanged
    seen = np.zeros((size, size), bool)

    def all_but_one(
        points: np.ndarray, few: np.ndarray, fine: np.ndarray, square: np.ndarray
    ) -> np.ndarray:
        said = np.repeat(truth[None], len(pairs), 0)
        copy = np.arange(len(pairs))
        said[copy, *pairs.T, 2] -= MOVED * CASE.intercept.mean()
        seen[np.ix_(fine, fine)] = True
        return said[:, fine][:, :, fine]

    monkeypatch.setattr(allocation, "_polynomial", all_but_one)
    monkeypatch.setattr(optimum, "SWEEPS", 0)
    copies = CASE.map(lambda a: np.repeat(a.reshape(1, -1), len(pairs), 0))
    found = levels_over_pairs(copies, POINTS, key)
    assert seen.all()
    assert found.solved
    np.testing.assert_allclose(found.levels, np.broadcast_to(truth, found.levels.shape), rtol=1e-9)
