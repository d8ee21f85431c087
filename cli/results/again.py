"""A result run again here, from what stands in it alone."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

from cli.results.leaves import Differing, differing
from cli.results.read import NoResult, ReadResult
from market.casefile.faults import BadCase
from market.text import Json as Tree
from market.text import needs

if TYPE_CHECKING:
    from mechanism.analysis.designs import DesignResult

MOST = 100_000
"""Points of the largest path."""


def again(found: ReadResult) -> Any:
    """The tree that the same input gives here.

    Raises:
        BadCase: The input in it is not admissible.
        NoResult: Something it needs is missing.
    """
    try:
        return _RUNS[found.command](found)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        if _ours(error):
            raise
        raise NoResult(
            f"is no whole result of pigou {found.command}: {type(error).__name__} at {error}"
        ) from None


def differing_here(found: ReadResult, tolerance: float) -> tuple[list[Differing], int]:
    """What differs between a result and what its input gives here, and how many values were
    compared."""
    try:
        here = again(found)
    except BadCase as bad:
        # an input that was changed to what no case may hold
        return [
            Differing(path=fault.key, before="as written", after=fault.message)
            for fault in bad.faults
        ], 0
    return differing(found.tree, here, tolerance=tolerance, of=found.command)


def _ours(error: Exception) -> bool:
    """Whether an error was raised below this module: then the program broke, not the file."""
    trace, depth = error.__traceback__, 0
    while trace is not None:
        if not trace.tb_frame.f_globals.get("__name__", "").startswith("cli.results"):
            depth += 1
        trace = trace.tb_next
    return depth > 0


def _case(tree: Any) -> Any:
    from mechanism.casefile.policy_case import parse_tree

    if not isinstance(tree, dict):
        raise NoResult("holds no case where one has to stand")
    return parse_tree(tree)


def _evaluation(found: ReadResult, tree: Tree, switches: bool | None) -> Tree:
    from mechanism.report.evaluation_tree import evaluation_tree
    from mechanism.uncertainty.evaluated import evaluate

    found.evaluations.append(evaluate(_case(tree), switches))
    return evaluation_tree(found.evaluations[-1])


def _evaluate(found: ReadResult) -> Tree:
    asked = True if "--switches" in found.options else None
    asked = False if "--quick" in found.options else asked
    return _evaluation(found, found.tree["case"], asked)


def _compare(found: ReadResult) -> list[Tree]:
    from mechanism.report.evaluation_tree import comparison_rows

    told = [row for row in found.tree if row["resolved"] is not None]
    results = [_evaluation(found, row["resolved"], False) for row in told]
    return comparison_rows(results, [row["case"] for row in told])


def _what_if(found: ReadResult) -> Tree:
    return (_along if "vary" in found.tree else _difference)(found.tree)


def _difference(tree: Tree) -> Tree:
    from mechanism.analysis.difference import difference
    from mechanism.analysis.evaluation import evaluate
    from mechanism.analysis.what_if_tree import difference_tree

    sides = [_case(tree[name]["case"]) for name in ("baseline", "changed")]
    return difference_tree(difference(*map(evaluate, sides)))


def _along(tree: Tree) -> Tree:
    from mechanism.analysis.what_if import Span, along
    from mechanism.analysis.what_if_tree import path_tree
    from mechanism.casefile.case_keys import key_fault
    from mechanism.casefile.policies import known

    case = _case(tree["case"])
    before = case if tree["case_before"] is None else _case(tree["case_before"])
    spans = [
        Span(str(one["key"]), float(one["low"]), float(one["high"]), int(one["count"]))
        for one in tree["vary"]
    ]
    policies = [str(policy) for policy in tree["policies"]]
    points = prod(max(0, span.count) for span in spans)
    if not 1 <= len(spans) <= 2 or not 1 < points <= MOST or not all(s.low < s.high for s in spans):
        raise NoResult("varies something over no range that a path can have")
    for span in spans:
        if message := key_fault(case.resolved, span.key):
            raise NoResult(f"varies {span.key}, which {message}")
    if unknown := [policy for policy in policies if not known(policy)]:
        raise NoResult(f"follows {unknown[0]}, which is no policy")
    path = along({**case.resolved, "expect": {}}, spans, policies)
    return path_tree(path, before.resolved, case.resolved)


def _design(found: ReadResult) -> Any:
    from mechanism.analysis.designs import DesignError
    from mechanism.analysis.designs_tree import design_rows, design_tree

    try:
        if not isinstance(found.tree, list):
            return design_tree(_designed(found.tree))
        labels = [str(row["design"]) for row in found.tree]
        return design_rows(labels, [_designed(row) for row in found.tree])
    except DesignError as error:
        raise NoResult(f"asks what makes no sense for its input: {error}") from None


def _designed(tree: Tree) -> DesignResult:
    from mechanism.analysis.designs import OPTIONS, solve_tree

    if not isinstance(tree["input"], dict):
        raise NoResult("holds no case or setting where one has to stand")
    asked = tree["options"]
    return solve_tree(tree["input"], {key: asked[key] for key in OPTIONS if key in asked})


def _sensitivity(found: ReadResult) -> Tree:
    from mechanism.uncertainty.sensitivity import METHODS, NoFigure, sensitivity
    from mechanism.uncertainty.sensitivity_tree import sensitivity_tree

    tree = found.tree
    case, figures = _case(tree["case"]), tuple(map(str, tree["figures"]))
    if case.uncertainty is None or tree["method"] not in METHODS:
        raise NoResult("asks for no method there is, or for a case in which all is certain")
    points = 0 if tree["points"] is None else int(tree["points"])
    if not 0 <= points <= MOST:
        raise NoResult(f"asks for {points:,} points; there are at most {MOST:,}")
    try:
        told = sensitivity(case, figures, tree["method"], points)
    except NoFigure as error:
        raise NoResult(f"asks for a figure that there is not: {error}") from None
    except ModuleNotFoundError as error:
        raise NoResult(needs(str(error.name), "sensitivity")) from None
    return sensitivity_tree(case, told, points)


def _calibrate(found: ReadResult) -> Tree:
    from market.calibrate.datafile import parse_data
    from mechanism.analysis.calibration import calibrate
    from mechanism.analysis.calibration_tree import calibration_tree

    data = parse_data(found.tree["data"], source=str(found.tree["source"]))
    given: dict[str, list[Any]] = {}
    words = [word for word in found.options if word != "--symmetric"]
    for option, value in zip(words[::2], words[1::2], strict=True):
        given.setdefault(option, []).append(value)
    return calibration_tree(
        calibrate(
            data,
            common=given.get("--common", ()),
            priors=given.get("--prior", ()),
            noise=given.get("--noise", ()),
            name=given.get("--name", [None])[0],
            units=given.get("--unit", ()),
            per_firm=[] if "--symmetric" in found.options else given.get("--per-firm"),
            bootstrap=int(given.get("--bootstrap", ["0"])[0]),
            seed=int(found.provenance["seed"] or 0),
        )
    )


def _statics(found: ReadResult) -> Tree:
    from market.regimes import REGIMES, solve_regime
    from mechanism.report.statics_tree import statics_tree

    case, regime = _case(found.tree["case"]), str(found.tree["regime"])
    outcome = solve_regime(case.market.flat(), regime) if regime in REGIMES else None
    if outcome is None or outcome.levels is None:
        raise NoResult(f"is about the regime {regime}, which has no solution here")
    return statics_tree(case, regime, outcome)


def _propositions(found: ReadResult) -> Tree:
    from mechanism.claims.claims_tree import propositions_tree
    from mechanism.claims.sample import propositions

    drawn = found.tree["sample"]
    asked = (None, 0) if drawn is None else (int(drawn["count"]), int(drawn["seed"]))
    return propositions_tree(propositions(_case(found.tree["case"]), *asked))


_RUNS: dict[str, Callable[[ReadResult], Any]] = {
    "evaluate": _evaluate,
    "compare": _compare,
    "what-if": _what_if,
    "design": _design,
    "sensitivity": _sensitivity,
    "calibrate": _calibrate,
    "statics": _statics,
    "propositions": _propositions,
}
"""How the result of each command is run again."""
