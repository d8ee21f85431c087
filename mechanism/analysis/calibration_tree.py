"""The JSON contract of `calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.calibrate.datafile import data_tree
from mechanism.casefile.policy_case import tree_sha256
from mechanism.report.plain import SCHEMA_VERSION, Tree, fields_of
from mechanism.report.provenance import command_line, provenance
from mechanism.version import VERSION

if TYPE_CHECKING:
    from mechanism.analysis.calibration import CalibratedValue, Calibration


def calibration_tree(found: Calibration) -> Tree:
    """`calibrate --format json`."""
    fit, stake, data = found.fit, found.stake, data_tree(found.data)
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pigou", "version": VERSION},
        "provenance": provenance(
            command_line("calibrate", "DATA", found.asked),
            tree_sha256(data),
            found.seed,
        ),
        "source": found.data.source,
        "data": data,
        "name": found.data.name,
        "firms": None if found.data.firms is None else list(found.data.firms),
        "units": {"money": found.data.money, "quantity": found.data.quantity},
        "case": None if found.case is None else found.case.resolved,
        "case_file": found.case_file,
        "estimates": {one.key: _estimate(one) for one in found.estimates},
        "moments": [] if fit is None else [fields_of(one) for one in fit.moments],
        "priors": (
            {}
            if fit is None
            else {
                key: {
                    **fields_of(prior),
                    "given": key in found.data.priors,
                }
                for key, prior in fit.priors.items()
            }
        ),
        "rank": None if fit is None else fit.rank,
        "parameters": None if fit is None else fit.parameters,
        "condition": None if fit is None else fit.condition,
        "over_identification": (
            None
            if fit is None
            else {"statistic": fit.statistic, "degrees": fit.degrees, "p_value": fit.p_value}
        ),
        "implied_spillover": None if fit is None else list(fit.implied_spillover),
        "gain": (
            None
            if stake is None
            else {
                **{
                    key: value
                    for key, value in fields_of(stake).items()
                    if key not in ("turns", "parts", "informative")
                },
                "comes_from": {part.key: part.share for part in stake.parts},
                "elasticities": {turn.key: turn.elasticity for turn in stake.turns},
            }
        ),
        "most_informative": (
            [] if stake is None else [fields_of(one) for one in stake.informative]
        ),
        "refused": (
            None
            if found.refused is None
            else {
                "code": found.refused.code,
                "reason": found.refused.reason,
                "numbers": dict(found.refused.numbers),
            }
        ),
        "warnings": [{"code": one.code, "message": one.text} for one in found.warnings],
    }


def _estimate(one: CalibratedValue) -> Tree:
    return {
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "from": one.source,
        "prior_share": one.prior_share,
        "influences": {each.key: each.elasticity for each in one.influences},
    }
