"""The comparison of policies as tidy rows: one per case and policy, one column per figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from mechanism.report.results import Evaluation


COLUMNS = (
    "case",
    "policy",
    "status",
    "recommended",
    "value",
    "competes",
    "why_not",
    "requires",
    "welfare",
    "consumer_surplus",
    "profit_1",
    "profit_2",
    "public_outlay",
    "outlay_joined",
    "flat_payments_1",
    "flat_payments_2",
    "net_transfer_1",
    "net_transfer_2",
    "sharing_1",
    "sharing_2",
    "investment_1",
    "investment_2",
    "price_1",
    "price_2",
    "quantity_1",
    "quantity_2",
    "investment_cost_1",
    "investment_cost_2",
    "attained",
    "share_of_gain",
    "welfare_net",
    "change_profit_1",
    "change_profit_2",
    "change_consumer_surplus",
    "change_welfare",
)
"""The columns of the table, those of both firms ending in the firm's number."""


def comparison_frame(found: Sequence[Evaluation]) -> pd.DataFrame:
    """The comparison of several cases as a pandas table, the rows of each under its case's name."""
    import pandas as pd

    from mechanism.report.evaluation_tree import comparison_rows, evaluation_tree

    rows = comparison_rows(
        [evaluation_tree(one) for one in found], [one.case.name for one in found]
    )
    return pd.DataFrame(rows, columns=list(COLUMNS))
