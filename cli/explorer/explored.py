"""One case under one pair of hands. Knows nothing of pages."""

from __future__ import annotations

from typing import Any

from cli.explorer import answers, controls
from market.casefile.faults import BadCase
from mechanism.casefile.policy_case import PolicyCase

MOST_UNDONE = 200
"""Moves that can be taken back."""


class Explored:
    """One case under one pair of hands: as loaded, as moved, and what was before."""

    def __init__(self, source: PolicyCase, path: str) -> None:
        self.source, self.path = source, path
        self.loaded = answers.settled(source)
        self.moves: dict[str, Any] = {}
        self.case: PolicyCase | BadCase = self.loaded
        self._past: list[dict[str, Any]] = []
        self._steady: dict[str, Any] = {}

    def move(self, moves: dict[str, Any], settled: bool) -> None:
        """Take what was moved; a movement of many steps is one to take back."""
        if settled and moves != self._steady:
            self._past = [*self._past, self._steady][-MOST_UNDONE:]
            self._steady = moves
        self._put(moves)

    def undo(self) -> None:
        """Go back before the last move."""
        if self.moves == self._steady and self._past:
            self._steady = self._past.pop()
        self._put(self._steady)

    def _put(self, moves: dict[str, Any]) -> None:
        self.moves = moves
        try:
            self.case = controls.moved(self.loaded, self.moves)
        except BadCase as bad:
            self.case = bad

    @property
    def can_undo(self) -> bool:
        """Whether something was moved before."""
        return bool(self._past) or self.moves != self._steady

    @property
    def text(self) -> str:
        """The case as it stands, as a file; as loaded where it is none."""
        case = self.loaded if isinstance(self.case, BadCase) else self.case
        return answers.case_text(case, self.source)

    @property
    def command(self) -> str:
        """The command line that leads here."""
        return controls.command(self.path, self.moves)
