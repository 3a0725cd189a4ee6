"""The report: parameters as typed and refused, lessons that fail and those that go on, a handout without a network."""

import base64
import io
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

pytest.importorskip("latex2mathml", reason="the extra `stage` is not installed")
pytest.importorskip("ziamath", reason="the extra `stage` is not installed")

from scripts import notebooks, pages, report
from tests import offline

WIDGET = """
import ipywidgets
class Lab:
    slider = ipywidgets.IntSlider()
    def _repr_mimebundle_(self, **_):
        view = {"model_id": self.slider.model_id, "version_major": 2, "version_minor": 0}
        return {"application/vnd.jupyter.widget-view+json": view, "image/png": PICTURE, "text/plain": "a lab"}
Lab()
""".strip()


def lesson(title: str, parameter: str) -> nbformat.NotebookNode:
    file = io.BytesIO()
    Image.new("RGB", (64, 32), "orange").save(file, "PNG")
    picture = base64.b64encode(file.getvalue()).decode()
    tags = {"tags": ["parameters"]}
    cells = [
        new_markdown_cell(f"# {title}\n\nIt is $x' \\le \\frac{{1}}{{2}}$ there."),
        new_markdown_cell("Only for the lecturer.", metadata={"slideshow": {"slide_type": "notes"}}),
        new_code_cell(f"{parameter} = 2  # how many", metadata=tags),
        new_code_cell(f"# refuse it\nif {parameter} == 0:\n    raise ValueError('it must not be 0.')"),
        new_markdown_cell("## Then"),
        new_code_cell(f"print('there are', {parameter}, type({parameter}).__name__)\nPICTURE = {picture!r}"),
        new_code_cell(WIDGET),
    ]
    return new_notebook(cells=cells, metadata=notebooks.METADATA)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two small lessons, one with the parameter `steps`, the other one with `count`."""
    folder = tmp_path_factory.mktemp("lessons")
    nbformat.write(lesson("Why one?", "steps"), folder / "01_one.ipynb")
    nbformat.write(lesson("Why two?", "count"), folder / "02_two.ipynb")
    return folder


@pytest.fixture(scope="module")
def made(folder):
    """What a report of both says and writes, where the first one is given what it refuses."""
    built = folder / "built"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebooks, "FOLDER", folder)
        patch.setattr(sys, "argv", ["report", "--folder", str(built), "--parameters", "steps=0", "count=8/4"])
        patch.setenv("COURSE_PROGRESS", str(folder))
        with pytest.raises(SystemExit) as stop:
            report.main()
    return str(stop.value), built


def test_a_failure_is_told_with_its_cell_and_the_other_lesson_runs_all_the_same(made):
    told, built = made
    assert told == "01_one stopped in cell [3], which begins “# refuse it”: ValueError: it must not be 0."
    second = notebooks.read(built / "02_two.ipynb")
    assert [cell.execution_count for cell in notebooks.code_cells(second)] == [1, 2, 3, 4, 5]
    assert "there are 2.0 float" in notebooks.text(second)
    shown = [output.get("data", {}) for cell in notebooks.code_cells(second) for output in cell.outputs]
    assert any("image/png" in data for data in shown)
    assert not any(notebooks.VIEW in data for data in shown)


def test_the_handout_holds_all_lessons_and_fetches_nothing(made):
    told, built = made
    html = (built / "handout.html").read_text(encoding="utf-8")
    assert pages.fetched(html) == []
    assert told.replace("<", "") in html  # the reader learns where the first one stopped
    assert "there are 2.0 float" in html
    assert html.count("Why one?") == html.count("Why two?") == 2  # in the contents, in the text
    assert "steps = 0, count = 2.0" in html
    assert "lecturer" not in html
    assert html.count('<img class="shown"') + html.count('class="shown" src=') == 1  # the lab's picture


def test_the_style_of_the_figures_makes_no_sentence_doubtful():
    assert "ran with" not in report.handout([], {}, {"style": "stage"})
    assert "ran with steps = 3" in report.handout([], {}, {"style": "stage", "steps": 3})


def test_the_handout_reads_without_a_network(made, chromium):
    with offline.browsing(chromium) as page:
        page.goto((made[1] / "handout.html").as_uri())
        assert page.locator("img.shown").evaluate_all("all => all.map(one => one.naturalWidth)") == [64]
        assert page.locator("math mfrac").count() == 2
        assert page.evaluate("document.fonts.load('20px Formulas').then(fonts => fonts.length)") == 1
        page.get_by_role("link", name="Why two?").click()
        assert page.locator("h1", has_text="Why two?").bounding_box()["y"] < 100
        page.get_by_role("button", name="fold all code").click()
        assert page.locator("details.code[open]").count() == 0
        assert page.refused == page.complaints == []


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("5", 5),
        ("0.1", 0.1),
        ("8/255", 8 / 255),
        ("1e-3", 0.001),
        ("true", True),
        ("signs-resnet", "signs-resnet"),
        ("'5'", "5"),
        ("[1, 2]", [1, 2]),
        ("8/0", "8/0"),
    ],
)
def test_values_are_typed_as_yaml_does_and_fractions_are_numbers(words, meant):
    value = report.value(words)
    assert (value, type(value)) == (meant, type(meant))


def test_parameters_come_from_a_file_too_and_the_last_one_wins(tmp_path):
    path = tmp_path / "term.yml"
    path.write_text("epsilon: 8/255\nsteps: 5\n")
    assert report.parameters([str(path), "steps=7"]) == {"epsilon": 8 / 255, "steps": 7}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("steps", "neither name=value nor a file"),
        ("=5", "names and values"),
        ("two words=5", "names and values"),
        ("x=[1", "no YAML"),
    ],
)
def test_what_is_no_parameter_is_refused_with_a_sentence(given, sentence):
    with pytest.raises(SystemExit, match=sentence):
        report.parameters([given])


def test_an_unknown_parameter_is_refused_before_anything_runs(folder, tmp_path):
    lessons = sorted(folder.glob("*.ipynb"))
    with pytest.raises(SystemExit, match=r"01_one knows steps; 02_two knows count.*Did you mean steps") as stop:
        report.report(lessons, {"count": 1, "step": 5}, tmp_path / "built")
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "built").exists()


def test_each_lesson_gets_the_parameters_that_it_knows(folder):
    first, second = sorted(folder.glob("*.ipynb"))
    assert report.refuse_unknown([first, second], {"steps": 5}) == {first: {"steps": 5}, second: {}}


def test_a_lesson_without_an_end_or_a_kernel_fails_alone(tmp_path):
    broken = new_notebook(cells=[new_code_cell("import os; os._exit(1)")], metadata=notebooks.METADATA)
    nbformat.write(broken, tmp_path / "03_dead.ipynb")
    (tmp_path / "built").mkdir()
    failure = report.run(tmp_path / "03_dead.ipynb", {}, tmp_path / "built")
    assert failure.lesson == "03_dead"
    assert "03_dead stopped: DeadKernelError" in str(failure)


def test_every_lesson_tells_its_parameters():
    for path in notebooks.find([]):
        (cell,) = (cell for cell in notebooks.read(path).cells if "parameters" in cell.metadata.get("tags", []))
        assigned = [line.split(" = ")[0] for line in cell.source.splitlines() if " = " in line]
        assert report.known(path) == assigned, path.name


@pytest.mark.parametrize(("name", "lesson"), [("8", "08_"), ("02", "02_"), ("02_pool", "02_"), ("2", "02_")])
def test_lessons_have_short_names(name, lesson):
    (path,) = notebooks.find([name])
    assert path.name.startswith(lesson)


@pytest.mark.parametrize("name", ["9", "99", "poling", "", "02_poling"])
def test_an_unknown_lesson_is_refused_with_the_names_of_those_there_are(name):
    with pytest.raises(SystemExit, match=r"There is no lesson .*02_pooling"):
        notebooks.find(["02", name])


@pytest.mark.parametrize(
    "part",
    [
        '<img alt="x" src="a.png">',
        "<img src=a.png>",
        '<script src="https://x.org/a.js"></script>',
        '<link rel="stylesheet" href="a.css">',
        "<style>@import 'a.css';</style>",
        "<style>p { background: url(a.png) }</style>",
        '<p style="background: url(https://x.org/a.png)">',
        '<iframe title="x" src="https://x.org"></iframe>',
        '<object data="a.svg"></object>',
    ],
)
def test_what_a_browser_would_fetch_is_found(part):
    assert pages.fetched(f"<p>{part}</p>")


@pytest.mark.parametrize(
    "part",
    [
        '<img alt="x" src="data:image/png;base64,AAAA">',
        '<a href="https://x.org/a.js">read on</a>',
        "<script>const page = '<img src=a.png>';</script>",
        "<style>p { background: url( data:image/png;base64,AAAA) }</style>",
        "<code>&lt;img src=a.png&gt; url(a.png) @import x</code>",
    ],
)
def test_what_stands_in_the_page_or_waits_for_a_click_is_not(part):
    assert pages.fetched(f"<p>{part}</p>") == []


def test_every_formula_of_the_lessons_can_be_shown():
    shown = 0
    for path in notebooks.find([]):
        notebook = notebooks.read(path)
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        body = "".join(pages.cells(notebook, path.stem)[0])
        for formula in pages.FORMULA.findall(body):
            assert "\\" not in formula, f"{path.stem}: {formula}"
            shown += 1
    assert shown > 100


def test_a_formula_that_cannot_be_read_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"the formula .* cannot be read"):
        pages.mathml("x_")
