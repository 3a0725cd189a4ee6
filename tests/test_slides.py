"""The decks: what is on a slide, that it fits, that the lecturer sees the notes, and that no network is needed."""

import base64
import io
import re
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

pytest.importorskip("latex2mathml", reason="the extra `stage` is not installed")
pytest.importorskip("ziamath", reason="the extra `stage` is not installed")
pytest.importorskip("sphinx_revealjs", reason="the extra `stage` is not installed")

from scripts import notebooks, pages, report, slides
from tests import offline

LONG = "\n".join(f"value_{k} = {{'a': {k}}}  # {'a remark that never ends ' * 6}" for k in range(60))
PARAGRAPH = "Whoever sits in the last row reads this too, and it goes on for quite a while. " * 9

# What does not fit: pages that have to scroll, and pictures that reach over the edge of their page.
MISFITS = """() => [...document.querySelectorAll('section.page')].flatMap((page, number) => {
    const edge = page.getBoundingClientRect(), found = [];
    if (page.scrollHeight > 721 || page.scrollWidth > 1281)
        found.push(`page ${number + 1} is ${page.scrollWidth}×${page.scrollHeight}: ${page.innerText.slice(0, 60)}`);
    for (const picture of page.querySelectorAll('img')) {
        const box = picture.getBoundingClientRect();
        if (box.width && (box.bottom > edge.bottom + 1 || box.right > edge.right + 1))
            found.push(`a picture of page ${number + 1} is cut`);
    }
    return found;
})"""
SHOW_ALL = """() => { document.querySelectorAll('.slides section').forEach(one => {
    one.style.setProperty('display', 'block', 'important'); one.hidden = false; }); }"""
SIZES = """() => [...document.querySelectorAll('section.page :is(p, li, pre)')]
    .filter(one => one.checkVisibility() && !one.matches('.running'))
    .map(one => [one.tagName, parseFloat(getComputedStyle(one).fontSize)])"""


def picture(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def tagged(kind: str) -> dict:
    return {"slideshow": {"slide_type": kind}}


def shown(data: dict) -> nbformat.NotebookNode:
    return new_output("execute_result", data=data, metadata={"image/png": {"alt": "orange", "width": 840}})


def lesson() -> nbformat.NotebookNode:
    """A lesson with all tags, and with everything that is too large for a slide."""
    printed = "\n".join(f"{k:4} {'0.123456789 ' * 14}" for k in range(50))
    cells = [
        new_markdown_cell("# Why?\n\nBecause $x' < 1$.", metadata=tagged("slide")),
        new_markdown_cell("Ask the room *before* you go on.", metadata=tagged("notes")),
        new_code_cell("secret = 42", metadata=tagged("skip")),
        new_code_cell(
            "y = 1\nassert y == 1\nprint(y)", metadata=tagged("fragment"), outputs=[new_output("stream", text="one")]
        ),
        new_markdown_cell("## Much text\n\n" + "\n\n".join([PARAGRAPH] * 4), metadata=tagged("slide")),
        new_code_cell(LONG, metadata=tagged("subslide"), outputs=[new_output("stream", text=printed)]),
        new_markdown_cell(
            "## A list\n\n" + "\n".join(f"{k}. {PARAGRAPH[:160]}" for k in range(1, 12)), metadata=tagged("slide")
        ),
        new_markdown_cell("## A picture", metadata=tagged("slide")),
        new_code_cell(
            "SomeLab()",
            metadata=tagged("fragment"),
            outputs=[shown({"image/png": picture(1120, 1800), "text/plain": "it"})],
        ),
        new_markdown_cell("What does it say?", metadata=tagged("fragment")),
    ]
    return new_notebook(cells=cells)


@pytest.fixture(scope="module")
def deck() -> str:
    return slides.deck(lesson(), "02_small")


@pytest.fixture(scope="module")
def page(chromium, deck, tmp_path_factory):
    """The small deck in a Chromium that gets nothing but this file."""
    path = tmp_path_factory.mktemp("deck") / "deck.html"
    path.write_text(deck, encoding="utf-8")
    with offline.browsing(chromium) as page:
        page.goto(path.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        yield page
        assert page.refused == []
        assert page.complaints == []


def test_nothing_of_a_deck_is_fetched(deck):
    assert pages.fetched(deck) == []
    assert not re.search(r"https?://[\w.-]+/[\w./@-]*\.(?:js|css|woff2?|ttf)\b", deck)


def test_a_deck_shows_what_is_tagged_for_it_and_no_proofs(deck):
    assert "secret" not in deck  # skip
    assert "claim" not in deck.split('<div id="cells">')[1].split("<script>")[0]
    assert "Ask the room" in deck  # for the lecturer
    assert deck.count("<math") == 1
    assert "live: make app LESSON=2" in deck


def test_a_fragment_comes_at_the_next_key(page):
    page.evaluate("Reveal.slide(0, 0, -1)")
    fragment = page.locator("section.page.present .fragment").first
    assert "visible" not in fragment.get_attribute("class")
    page.keyboard.press("ArrowRight")
    assert "visible" in fragment.get_attribute("class")


def test_everything_fits_on_its_page_and_can_be_read(page):
    page.evaluate(SHOW_ALL)
    assert page.evaluate(MISFITS) == []
    sizes = page.evaluate(SIZES)
    assert len(sizes) > 8
    assert min(size for kind, size in sizes if kind != "PRE") >= 0.8 * slides.SIZE - 0.1  # of 720 pixels
    assert min(size for kind, size in sizes if kind == "PRE") >= 17
    page.reload()
    page.wait_for_function("window.Reveal && Reveal.isReady()")


def test_long_text_goes_on_on_the_next_page_under_its_topic(page):
    running = page.locator("section.page > .running").all_text_contents()
    assert "Much text" in running
    assert sum("last row" in words for words in page.locator("section.page").all_text_contents()) >= 2


def test_a_long_list_goes_on_and_keeps_counting(page):
    lists = page.locator("section.page ol").evaluate_all("all => all.map(one => [one.start, one.children.length])")
    assert len(lists) >= 2
    assert [start for start, _ in lists] == [1 + sum(n for _, n in lists[:k]) for k in range(len(lists))]
    assert sum(n for _, n in lists) == 11


def test_a_picture_stands_for_its_code_which_opens_on_a_click(page):
    whole = page.locator(".picture.lab")
    assert whole.locator("img").get_attribute("alt") == "orange"
    assert whole.evaluate("one => getComputedStyle(one, '::after').content") == '"live: make app LESSON=2 LAB=SomeLab"'
    assert not whole.locator("details").evaluate("one => one.open")
    assert "SomeLab" in whole.locator("details").text_content()


def test_the_lecturer_sees_the_notes_in_a_window_of_their_own(page):
    page.evaluate("Reveal.slide(0, 0)")
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    opened.value.wait_for_selector(".speaker-controls-notes .value em")
    assert "Ask the room before you go on." in opened.value.locator(".speaker-controls-notes").inner_text()
    opened.value.close()


def test_a_stored_lesson_fits(page, tmp_path):
    path = tmp_path / "deck.html"
    path.write_text(slides.deck(notebooks.read(notebooks.find(["2"])[0]), "02_pooling"), encoding="utf-8")
    stored = page.context.new_page()
    stored.goto(path.as_uri())
    stored.wait_for_function("window.Reveal && Reveal.isReady()")
    stored.evaluate(SHOW_ALL)
    assert stored.locator("section.page img").count() >= 8
    assert stored.evaluate(MISFITS) == []
    stored.evaluate("document.querySelectorAll('img').forEach(one => { one.style.height = '900px'; })")
    assert len(stored.evaluate(MISFITS)) >= 8  # the measure measures
    stored.close()


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ('x = 1\nclaim("one", x == 1)', "x = 1"),
        ('claim.always(\n    "one", 1\n)\ny = 2', "y = 2"),
        ('%pip install x\nclaim("one", 1)', '%pip install x\nclaim("one", 1)'),
        ('def f():\n    claim("one", 1)', 'def f():\n    claim("one", 1)'),
        ("claims = 1\nother.claim(1)", "claims = 1\nother.claim(1)"),
    ],
)
def test_proofs_are_left_out_of_listings(source, left):
    assert slides.without_claims(source) == left


@pytest.mark.parametrize("size", [1, 19, 45, 300])
def test_a_size_that_nobody_can_read_is_refused(size):
    with pytest.raises(ValueError, match="between 20 and 44"):
        slides.deck(lesson(), "02_small", size)


@pytest.fixture
def command(monkeypatch, tmp_path):
    """`make slides` for lesson 2, with a small lesson in its place: what it ran, and which decks it made."""

    def run(*options: str) -> tuple[list, dict]:
        ran, made = [], {}

        def instead(path, values, folder):
            ran.append((path.stem, dict(values)))
            nbformat.write(lesson(), folder / path.name)

        monkeypatch.setattr(report, "run", instead)
        monkeypatch.setattr(report, "known", lambda path: ["style"])
        monkeypatch.setattr(slides, "deck", lambda notebook, name, size: made.setdefault(f"{name}: {size}", "a deck"))
        monkeypatch.setattr(sys, "argv", ["slides", "2", "--folder", str(tmp_path), *options])
        slides.main()
        return ran, made

    return run


def test_without_a_style_the_stored_lesson_is_shown(command):
    assert command() == ([], {"02_pooling: 30": "a deck"})
    assert command("--size", "40") == ([], {"02_pooling: 40": "a deck"})


def test_with_a_style_the_lesson_is_run_anew_and_its_type_is_larger(command):
    anew = [("02_pooling", {"style": "stage"})]
    assert command("--style", "stage") == (anew, {"02_pooling: 34": "a deck"})
    assert command("--style", "stage", "--size", "24") == (anew, {"02_pooling: 24": "a deck"})


def test_a_style_that_is_not_there_is_refused_and_nothing_is_run(command):
    with pytest.raises(SystemExit, match=r"^There is no style screen; there are notebook, stage\.$"):
        command("--style", "screen")


def test_a_lesson_that_stops_has_no_deck_and_says_why(command, monkeypatch):
    stop = report.Failure("02_pooling", 3, "x = 1", "ValueError: no")
    monkeypatch.setattr(report, "run_all", lambda lessons, values, folder: {"02_pooling": stop})
    with pytest.raises(SystemExit, match=r"^02_pooling stopped in cell \[3\]"):
        command("--style", "stage")


def test_a_lesson_without_slides_is_refused():
    nothing = new_notebook(cells=[new_markdown_cell("Only for me.", metadata=tagged("notes"))])
    with pytest.raises(ValueError, match="02_small has no cell to show"):
        slides.deck(nothing, "02_small")
