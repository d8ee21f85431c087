"""How the site is built from the pages of this folder: `sphinx-build -W docs build/docs`.

Nothing is fetched, by the build or by a reader: formulas become MathML. The index page lists the
pages, and the navigation is made from its links.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from pygments.lexers.special import TextLexer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mechanism.version import VERSION  # noqa: E402

project = "pigou"
author = copyright = "The pigou developers"
version = release = VERSION
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
default_role = "code"
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Source"]
smartquotes = False

html_theme = "furo"
html_title = "pigou"
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = html_show_sphinx = False

SECTION = re.compile(r"^## (.+)$")
LINK = re.compile(r"^- \[[^\]]+\]\(([\w/-]+)\.md\)")


def navigation(app: Any, page: str, source: list[str]) -> None:
    """Add to the index page the trees of its sections, which no reader of the page itself sees."""
    if page != "index":
        return
    trees: dict[str, list[str]] = {}
    for line in source[0].splitlines():
        if heading := SECTION.match(line):
            trees[heading[1]] = []
        elif link := LINK.match(line):
            trees[list(trees)[-1]].append(link[1])
    source[0] += "".join(
        "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])
        for caption, pages in trees.items()
    )


def formula(translator: Any, node: nodes.math) -> None:
    """A formula within a line."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def displayed(translator: Any, node: nodes.math_block) -> None:
    """A formula on lines of its own."""
    shown = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="math" style="margin: 1em 0">{shown}</div>\n')
    raise nodes.SkipNode


def for_all_readers(
    app: Any, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Say which level the headings of the navigation have, and let keys reach wide blocks."""
    for part in ("body", "furo_navigation_tree"):
        if part in context:
            context[part] = (
                context[part]
                .replace('role="heading"', 'role="heading" aria-level="2"')
                .replace("<pre>", '<pre tabindex="0">')
            )


def setup(app: Any) -> None:
    """Register what is above."""
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", navigation)
    app.connect("html-page-context", for_all_readers, priority=900)
    app.add_html_math_renderer("mathml", (formula, None), (displayed, None))
