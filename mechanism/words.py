"""Words shared by the findings: what rules, outside options and amounts are called."""

from __future__ import annotations

from typing import Any

Sentence = dict[str, str]

NEGLIGIBLE = 1e-9
"""Changes below this share of welfare are called none."""


class Words:
    """Numbers with their unit, for one case."""

    def __init__(self, case: dict[str, Any]) -> None:
        unit = (case.get("units") or {}).get("money")
        self.unit = f" {unit}" if unit else ""

    def money(self, value: float) -> str:
        """An amount with its unit."""
        return f"{value:.4g}{self.unit}"


AGAINST = {"ir1": "its own profit at the same levels without transfers", "ir_market": "today's market", "ir2": "earning nothing"}

RULES = {
    "printed": "the printed tax, which takes back the subsidy at the firm's own report",
    "groves": "a tax free of the firm's own report",
    "worst_type": "a tax set by the type with the least to gain from joining",
    "agv": "mutual payments of what each report is worth to the other",
    "designed": "transfers that are solved for",
    "observed": "a tax free of the own report and a subsidy settled on the market that comes about",
}
SHORT = {
    "printed": "the printed tax",
    "groves": "the tax free of the own report",
    "worst_type": "the tax set by the worst type",
    "agv": "mutual payments",
    "designed": "transfers that are solved for",
    "observed": "the subsidy settled on the market that comes about",
}
