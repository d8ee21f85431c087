"""Design of corrective subsidies and taxes for rivals that under-invest in security and under-share
what they learn.

    import pigou
    case = pigou.load("case.yaml")
    print(pigou.evaluate(case).recommendation)

Everything here is defined in `market` and `mechanism` and loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from market.calibrate.products import LinearDemand as LinearDemand
    from market.calibrate.products import linear_demand as linear_demand
    from market.casefile.faults import BadCase as BadCase
    from market.model.outcome import Outcome as Outcome
    from market.regimes.table import REGIMES as REGIMES
    from mechanism.analysis.calibration import Calibration as Calibration
    from mechanism.analysis.calibration import calibrate as calibrate
    from mechanism.analysis.designs import DesignError as DesignError
    from mechanism.analysis.designs import DesignResult as DesignResult
    from mechanism.analysis.designs import design as design
    from mechanism.analysis.difference import Difference as Difference
    from mechanism.analysis.difference import what_if as what_if
    from mechanism.analysis.evaluation import solve as solve
    from mechanism.analysis.what_if import sweep as sweep
    from mechanism.casefile.policy_case import PolicyCase as PolicyCase
    from mechanism.casefile.policy_case import load_case as load  # noqa: F401
    from mechanism.report.results import Evaluation as Evaluation
    from mechanism.uncertainty.evaluated import evaluate as evaluate

_HOMES = {
    "BadCase": "market.casefile.faults:BadCase",
    "Calibration": "mechanism.analysis.calibration:Calibration",
    "DesignError": "mechanism.analysis.designs:DesignError",
    "DesignResult": "mechanism.analysis.designs:DesignResult",
    "Difference": "mechanism.analysis.difference:Difference",
    "Evaluation": "mechanism.report.results:Evaluation",
    "LinearDemand": "market.calibrate.products:LinearDemand",
    "Outcome": "market.model.outcome:Outcome",
    "PolicyCase": "mechanism.casefile.policy_case:PolicyCase",
    "REGIMES": "market.regimes.table:REGIMES",
    "__version__": "mechanism.version:VERSION",
    "calibrate": "mechanism.analysis.calibration:calibrate",
    "design": "mechanism.analysis.designs:design",
    "evaluate": "mechanism.uncertainty.evaluated:evaluate",
    "linear_demand": "market.calibrate.products:linear_demand",
    "load": "mechanism.casefile.policy_case:load_case",
    "solve": "mechanism.analysis.evaluation:solve",
    "sweep": "mechanism.analysis.what_if:sweep",
    "what_if": "mechanism.analysis.difference:what_if",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'pigou' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return __all__
