"""A report put together: its sections, of one case or of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cli.pages.comparison import comparison
from cli.pages.page import Column, Heading, Image, Page, PageBlock, Prose
from cli.report import brief, found, market, redaction, told
from cli.report.subject import DIGITS, Subject
from market.text import Json

WIDTH = 100
"""Of pages that are never laid out in columns of letters."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A section of a report of one case."""

    key: str
    """Of its address in the page."""
    title: str
    put: Callable[[Subject, Page], None]
    """What fills it."""
    figures: bool = True
    """Whether it has figures of the result, which a report that leaves out numbers leaves out; the
    others look after themselves."""
    short: bool = False
    """Whether a report of several cases has it of each."""


CHAPTERS = (
    Chapter(key="brief", title="In brief", put=brief.brief, short=True),
    Chapter(key="answer", title="The standard", put=found.answer),
    Chapter(key="gains", title="Who gains", put=found.gains, short=True),
    Chapter(key="costs", title="What it costs", put=found.costs),
    Chapter(key="firms", title="What firms would do", put=found.firms),
    Chapter(key="overturn", title="What would overturn it", put=found.overturn, short=True),
    Chapter(key="sure", title="How sure it is", put=found.sure),
    Chapter(key="market", title="The market", put=market.market, figures=False, short=True),
    Chapter(key="method", title="Method in plain words", put=told.method, figures=False),
    Chapter(key="robustness", title="Robustness", put=found.robustness),
    Chapter(
        key="certificates", title="Certificates", put=found.certificates, figures=False, short=True
    ),
    Chapter(key="provenance", title="Provenance", put=told.provenance, figures=False, short=True),
    Chapter(
        key="limits",
        title="What the model cannot answer",
        put=lambda _, page: told.limits(page),
        figures=False,
    ),
    Chapter(key="details", title="Appendix: each type and report", put=found.details),
    Chapter(
        key="reviewers",
        title="Appendix: what reviewers ask",
        put=told.reviewers,
        figures=False,
    ),
)
"""The sections, in their order."""

PLACES = {
    "who_gains": "gains",
    "levels": "gains",
    "ladder": "gains",
    "welfare_outlay": "costs",
    "interim": "firms",
    "standards": "overturn",
    "uncertainty": "sure",
}
"""In which section a picture stands; the others stand under robustness."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section as it is shown."""

    key: str
    title: str
    blocks: Sequence[PageBlock]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a report shows."""

    title: str
    about: Sequence[str]
    """Sentences below the title."""
    sections: Sequence[Section]
    texts: tuple[str, ...] = ()
    """Text of users in it, which may run the other way."""


def of_case(
    subject: Subject, pictures: Mapping[str, Image], texts: frozenset[str] = frozenset()
) -> Report:
    """The report of one case; `pictures` by their names, `texts` are keys that were left out."""
    sections = [_section(part, subject, pictures) for part in CHAPTERS]
    return Report(
        title=subject.found.case.name,
        about=_about(subject, texts),
        sections=[section for section in sections if section.blocks],
        texts=subject.texts,
    )


def _section(
    part: Chapter, subject: Subject, pictures: Mapping[str, Image], prefix: str = ""
) -> Section:
    page = Page(WIDTH)
    if subject.hidden and part.key in ("gains", "costs"):
        if part.key == "gains":
            redaction.directions(subject, page)
            found.policies_listed(subject, page)
        blocks = page.blocks
    else:
        part.put(subject, page)
        blocks = page.blocks
        if subject.hidden and part.figures:
            blocks = redaction.masked(blocks, subject.texts)
    drawn = [
        picture for name, picture in pictures.items() if PLACES.get(name, "robustness") == part.key
    ]
    title = f"{subject.label}: {part.title.lower()}" if prefix else part.title
    return Section(key=f"{prefix}{part.key}", title=title, blocks=_illustrated(blocks, drawn))


def _illustrated(blocks: list[PageBlock], drawn: Sequence[Image]) -> list[PageBlock]:
    """Pictures behind the first sentences of a section."""
    first = next((n for n, block in enumerate(blocks) if not isinstance(block, Prose)), len(blocks))
    return [*blocks[:first], *drawn, *blocks[first:]]


def _about(subject: Subject, texts: frozenset[str]) -> list[str]:
    case = subject.found.case
    out = (
        [f"Source of the numbers: {case.resolved['reference']}."]
        if case.resolved.get("reference")
        else []
    )
    units = case.units
    out += [f"Money is in {units.money}."] if units.money else []
    out += [f"Quantities are in {units.quantity}."] if units.quantity else []
    run = subject.result["provenance"]["run"]
    out += [f"Worked out on {run['started'][:10]}."] if run else []
    if subject.hidden or texts:
        out.append(redaction.note(subject, texts))
    return out


def of_cases(
    subjects: Sequence[Subject],
    pictures: Sequence[Mapping[str, Image]],
    texts: frozenset[str] = frozenset(),
) -> Report:
    """The report that compares several cases, with the main sections of each."""
    page, labels = Page(WIDTH), [subject.label for subject in subjects]
    for subject in subjects:
        page.heading(subject.label)
        said = (subject.answer.get("do"), subject.answer.get("worth"), brief.overturned(subject))
        for text in filter(None, said):
            page.sentence(text)
    hidden = any(subject.hidden for subject in subjects)
    names = tuple(dict.fromkeys(text for subject in subjects for text in subject.texts))
    blocks = redaction.masked(page.blocks, names) if hidden else page.blocks
    sections = [Section(key="answers", title="The answers", blocks=blocks)]
    if not hidden:
        page = Page(WIDTH)
        results = [subject.result for subject in subjects]
        comparison(results, labels, page, DIGITS, answers=False)
        sections.append(Section(key="compared", title="Side by side", blocks=page.blocks))
    sections.append(_differences(subjects))
    for n, (subject, drawn) in enumerate(zip(subjects, pictures, strict=True), 1):
        sections += [
            _section(part, subject, drawn, f"case-{n}-") for part in CHAPTERS if part.short
        ]
    page = Page(WIDTH)
    told.limits(page)
    sections.append(Section(key="limits", title="What the model cannot answer", blocks=page.blocks))
    return Report(
        title=f"{len(labels)} cases compared",
        about=[
            f"The cases: {'; '.join(labels)}.",
            *(_about(subjects[0], texts)[-1:] if hidden else []),
        ],
        sections=sections,
        texts=names,
    )


def _differences(subjects: Sequence[Subject]) -> Section:
    """Inputs that differ between the cases."""
    page = Page(WIDTH)
    market.differences(subjects, page)
    return Section(key="differences", title="How the cases differ", blocks=page.blocks)


def of_batch(findings: Json, checked: int, name: str, page: Page) -> Report:
    """The report of a batch, whose page has its findings; so many of its cases were run again."""
    page.heading("Certificates and provenance")
    page.sentence(
        f"{checked:,} of {findings['cases']:,} cases, spread over the batch, were solved again for"
        " this report and came out the same."
    )
    told_of = {
        "Program": f"pigou {findings['provenance']['version']}",
        "Command": findings["provenance"]["command"],
        "SHA-256 of the table": findings["result_sha256"],
    }
    page.table(
        [
            Column("What", list(told_of), words=True),
            Column("Value", list(told_of.values()), words=True),
        ]
    )
    page.heading("What the model cannot answer")
    told.limits(page)
    sections: list[Section] = []
    for block in page.blocks[1:]:
        if isinstance(block, Heading):
            sections.append(Section(key=f"part-{len(sections) + 1}", title=block.text, blocks=[]))
        else:
            last = sections[-1]
            sections[-1] = Section(key=last.key, title=last.title, blocks=[*last.blocks, block])
    return Report(
        title=f"{findings['cases']:,} cases",
        about=[f"The table: {name}."],
        sections=[section for section in sections if section.blocks],
        texts=(name,),
    )
