"""A lesson as HTML that needs no network: no address is loaded, formulas are MathML, a lab is its picture.

What scripts/report.py (the handout) and scripts/slides.py (the decks) share. nbconvert does the work, with a template
of ours: its own ones load MathJax, reveal.js and the widgets from the network, and show nothing of a lab without it.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fontTools import subset
from jinja2 import Environment, FileSystemLoader, pass_context
from latex2mathml.converter import convert
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from scripts import notebooks

TEMPLATES = Path(__file__).with_name("templates")
MARK = "<!-- the next cell -->"
# What a browser would fetch. A link to click on (<a href>) is none of it.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|audio|video|embed|track)\b[^>]*?\ssrc\s*=(?!\s*[\"']?data:)[^>]*"
    r"|<(?:link|image|use)\b[^>]*?href\s*=(?!\s*[\"']?(?:data:|#))[^>]*"
    r"|<object\b[^>]*?\sdata\s*=(?!\s*[\"']?data:)[^>]*",
    re.IGNORECASE,
)
STYLE = re.compile(r"<style\b[^>]*>(.*?)</style>|<[a-z]+\b[^>]*?\sstyle\s*=\s*\"([^\"]*)", re.DOTALL | re.IGNORECASE)
FETCHED_STYLE = re.compile(r"url\((?!\s*[\"']?(?:data:|#|\)))[^)]*\)|@import\b[^;]*", re.IGNORECASE)
PROGRAM = re.compile(r"(<script\b[^>]*>).*?</script>", re.DOTALL | re.IGNORECASE)
FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
PRIME = re.compile(r"<msup>(<mi>[^<]*</mi>)<mi>(&#x0203[2-4];)</mi></msup>")
# In a formula a browser takes a letter's bold or slanted form: Latin, then Greek; h stands apart.
FORMS = [*range(0x1D400, 0x1D468), *range(0x1D6A8, 0x1D71C), 0x210E]


@dataclass(frozen=True)
class Heading:
    """A heading of a lesson: its level, the name that a link to it uses, and its words (HTML)."""

    level: int
    name: str
    words: str


def mathml(formula: str, display: str = "inline") -> str:
    """A formula of LaTeX as MathML, which browsers show by themselves.

    Raises:
        ValueError: no formula, with what is wrong.
    """
    try:
        made = convert(formula.strip(), display=display)
    except Exception as problem:  # many kinds, all of them about the formula
        raise ValueError(f"the formula ${formula.strip()}$ cannot be read: {type(problem).__name__}.") from problem
    made = PRIME.sub(
        r'<mrow>\1<mo form="postfix" lspace="0" rspace="0">\2</mo></mrow>', made
    )  # x′: stands high by itself
    return made.replace("<mo>&#x02016;</mo>", '<mo stretchy="false">&#x02016;</mo>')  # ‖x‖: both bars of one height


class _Renderer(IPythonRenderer):
    """Markdown to HTML: formulas as MathML; headings are gathered, and carry names that no other lesson has."""

    def __init__(self, headings: list[Heading], prefix: str, **options):
        super().__init__(escape=False, exclude_anchor_links=True, **options)
        self.headings, self.prefix = headings, prefix

    def heading(self, text: str, level: int, **_) -> str:
        self.headings.append(Heading(level, f"{self.prefix}-{len(self.headings)}", text))
        return f'<h{level} id="{self.headings[-1].name}">{text}</h{level}>\n'

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def block_math(self, body: str) -> str:
        return mathml(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


class _Exporter(HTMLExporter):
    """nbconvert's way to HTML, through our template of a cell."""

    def __init__(self, prefix: str):
        super().__init__()
        self.raw_template = (TEMPLATES / "cell.html.j2").read_text(encoding="utf-8")
        self.headings: list[Heading] = []
        self.prefix = prefix

    @pass_context
    def markdown2html(self, context, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = _Renderer(self.headings, self.prefix, attachments=attachments)
        return MarkdownWithMath(renderer=renderer).render(source)


def cells(notebook: NotebookNode, name: str) -> tuple[list[str], list[Heading]]:
    """Every cell of a notebook as HTML, and the headings.

    Args:
        notebook: with its outputs. What changes from run to run and what only a kernel can show is left out.
        name: begins the headings' names.

    Raises:
        ValueError: a formula that cannot be read.
    """
    exporter = _Exporter(name)
    body, _ = exporter.from_notebook_node(notebooks.normalised(notebook))
    return body.split(MARK)[1:], exporter.headings


def math_font(html: str) -> str:
    """The style that brings along a font for a page's formulas, reduced to the signs that it needs.

    Few machines have a font for formulas, and in any other one brackets do not grow. This is STIX Two Math (Open Font
    License), which the package ziamath carries.
    """
    formulas = "".join(FORMULA.findall(html))
    if not formulas:
        return ""
    options = subset.Options(hinting=False)
    font = subset.load_font(str(carried("ziamath", "STIXTwoMath-Regular.ttf")), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=formulas, unicodes=FORMS)
    subsetter.subset(font)
    file = io.BytesIO()
    font.save(file)
    encoded = base64.b64encode(file.getvalue()).decode("ascii")
    face = f'@font-face {{ font-family: "Formulas"; src: url(data:font/ttf;base64,{encoded}); }}'
    return f'{face}\nmath {{ font-family: "Formulas", math; }}'


def carried(package: str, name: str) -> Path:
    """A file that an installed package carries, found by its name without importing the package.

    Raises:
        FileNotFoundError: no such package, or it carries no such file.
    """
    spec = find_spec(package)
    for folder in spec.submodule_search_locations if spec else ():
        if found := sorted(Path(folder).rglob(name)):
            return found[0]
    raise FileNotFoundError(f"{name} is not there; pip install {package} brings it.")


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), keep_trailing_newline=True, autoescape=False)


def page(template: str, **parts) -> str:
    """Fill one of our templates, and prove that a browser has nothing to fetch for it.

    Raises:
        ValueError: something would be fetched; the sentence says what.
    """
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    html = _environment().get_template(template).render(colours=colours, **parts)
    html = html.replace("</style>", f"{math_font(html)}\n</style>", 1)
    if left := fetched(html):
        raise ValueError(f"without a network, this page would miss {', '.join(left[:3])}; put it into the page.")
    return html


def fetched(html: str) -> list[str]:
    """What a browser would have to fetch for a page, from its own folder or from the network."""
    html = PROGRAM.sub(r"\1</script>", html)
    found = [one[0] for one in FETCHED.finditer(html)]
    for style in STYLE.finditer(html):
        found += [one[0] for one in FETCHED_STYLE.finditer(style[1] or style[2] or "")]
    return [one[:200] for one in found]
