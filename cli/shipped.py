"""Cases: those a user names, and those that come with the program."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mechanism.casefile.policy_case import PolicyCase


def folder() -> Path:
    """Where the shipped cases are: inside the package when installed, beside it in the source
    tree."""
    here = Path(__file__).resolve().parent
    installed = here / "shipped_cases"
    return installed if installed.is_dir() else here.parent / "cases"


def names() -> list[str]:
    """Names of the shipped cases, sorted."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def published_names() -> list[str]:
    """Names of the shipped cases that are examples in print, sorted."""
    return sorted(f"published/{path.stem}" for path in (folder() / "published").glob("*.yaml"))


def setting_names() -> list[str]:
    """Names of the shipped settings, sorted."""
    return sorted(f"settings/{path.stem}" for path in (folder() / "settings").glob("*.yaml"))


def design_names() -> list[str]:
    """Names of the shipped designs of a batch, sorted."""
    return sorted(f"designs/{path.stem}" for path in (folder() / "designs").glob("*.yaml"))


def data_names() -> list[str]:
    """Names of the shipped data to calibrate from, sorted."""
    return sorted(f"data/{path.stem}" for path in (folder() / "data").glob("*.yaml"))


def every_name() -> list[str]:
    """Names of all shipped files: cases, those in print, settings, designs, and data."""
    return [*names(), *published_names(), *setting_names(), *design_names(), *data_names()]


def find(name: str) -> Path | None:
    """The shipped case, setting, design or data of this name, with or without its ending; None if
    there is none or a folder is named."""
    bare = name.removesuffix(".yaml")
    known = {path.rsplit("/", 1)[-1]: path for path in every_name()} | {
        path: path for path in every_name()
    }
    return folder() / f"{known[bare]}.yaml" if bare in known else None


def closest(name: str) -> str:
    """A hint for a name that no shipped case has."""
    known = every_name()
    close = get_close_matches(name.removesuffix(".yaml"), known, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"


def load(paths: Sequence[Path]) -> list[PolicyCase]:
    """The cases in these files; if any is bad, one `BadCase` with the faults of all."""
    from market.casefile.files import BadCase, Fault, Place
    from mechanism.casefile.policy_case import load_case

    cases: list[PolicyCase] = []
    faults: list[Fault] = []
    for path in dict.fromkeys(paths):
        try:
            if find(str(path)) and not path.exists():
                raise BadCase([Fault(Place(str(path)), "", _shipped_hint(path))])
            cases.append(load_case(path))
        except BadCase as bad:
            faults.extend(bad.faults)
    if faults:
        raise BadCase(faults)
    return cases


def _shipped_hint(path: Path) -> str:
    name = str(path).removesuffix(".yaml")
    return (
        f"there is no such file; a case of this name is shipped: `pigou examples copy {name}` puts"
        f" {name}.yaml here"
    )
