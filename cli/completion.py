"""What a shell offers to complete: keys of a case, policies, case files.

Written out, because whoever presses a key waits for the answer: what the tables are read from
imports numpy. A test holds the names to the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

NUMBERS = (
    "demand.intercept",
    "demand.own_slope",
    "demand.cross_slope",
    "demand.choke_price",
    "demand.own_satiation",
    "demand.cross_satiation",
    "security.rivalry",
    "security.demand_spillover",
    "security.leakage.own",
    "security.leakage.cross",
    "security.leakage.interaction",
    "cost.scale",
    "cost.max_saving",
    "cost.spillover",
    "cost.investment_cap",
    "cost.reference_investment",
    "unit_cost.base",
    "unit_cost.spillover",
    "unit_cost.slope",
    "unit_cost.curvature",
    "mechanism.public_funds_cost",
    "mechanism.profit_weight",
    "mechanism.materiality",
    "types.points",
)
"""Keys whose values are numbers, one or one per firm: those that can be varied."""
CHOICES = (
    "cost.form",
    "mechanism.tax_rule",
    "mechanism.payoff",
    "mechanism.incentive",
    "mechanism.participation",
    "mechanism.timing",
    "mechanism.budget",
    "mechanism.fees",
    "mechanism.allow",
    "mechanism.allocation",
    "mechanism.objective",
    "types.parameter",
    "types.support",
    "types.values",
    "types.probabilities",
)
"""Keys that can be set only."""
TEXTS = ("name", "reference", "units", "units.money", "units.quantity", "firms")
"""Texts of a case that a report may leave out."""
POLICIES = (
    "no_sharing",
    "nash",
    "sequential",
    "sequential_firm_2",
    "investment_first",
    "joint_profit",
    "sharing_alliance",
    "price_collusion",
    "social_optimum",
    "first_best",
    "bayes_nash",
    "linear_subsidies",
    "vcg_full_information",
    "printed",
    "groves",
    "worst_type",
    "agv",
    "observed",
    "designed",
    "second_best",
    "mandate",
)
"""The policies that can be followed along a path."""
CASE_FILES = (".yaml", ".yml", ".json", ".toml")
"""Endings of case files."""


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def keys_to_vary(incomplete: str) -> list[str]:
    """The beginnings of `KEY=LO:HI:N`."""
    return _starting((f"{key}=" for key in NUMBERS), incomplete)


def keys_to_set(incomplete: str) -> list[str]:
    """The beginnings of `KEY=VALUE`."""
    return _starting((f"{key}=" for key in (*NUMBERS, *CHOICES)), incomplete)


def keys_to_redact(incomplete: str) -> list[str]:
    """What a report may leave out: texts, blocks, numbers of the market and of what is private."""
    inputs = [key for key in (*NUMBERS, *CHOICES) if not key.startswith("mechanism.")]
    blocks = dict.fromkeys(key.partition(".")[0] for key in inputs)
    return _starting((*TEXTS, *blocks, *inputs), incomplete)


def policy_names(incomplete: str) -> list[str]:
    """Policies by their keys."""
    return _starting(POLICIES, incomplete)


def case_files(incomplete: str) -> list[str]:
    """Case files, and folders that may hold some, where the text says so far."""
    above = incomplete[: incomplete.rfind("/") + 1]
    try:
        there = sorted(Path(above or ".").expanduser().iterdir())
    except OSError:
        return []
    names = [
        f"{above}{path.name}" + "/" * path.is_dir()
        for path in there
        if path.suffix in CASE_FILES or (path.is_dir() and not path.name.startswith("."))
    ]
    return _starting(names, incomplete)
