"""The normaliser and the checks of scripts/notebooks.py, on a small notebook; then the course's own."""

import base64
import io
import json
from itertools import pairwise

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from scripts import notebooks

LAB = """
class Lab:  # no widget itself, which ipywidgets 7 would show its own way
    widget = widgets.VBox([widgets.IntSlider(description="ε")])

    def _repr_mimebundle_(self, **_):
        view = {"model_id": self.widget.model_id, "version_major": 2, "version_minor": 0}
        return {"application/vnd.jupyter.widget-view+json": view, "image/png": PICTURE, "text/plain": "a lab"}

Lab()
""".strip()
SMALL = """
import base64, io, sys, ipywidgets as widgets
from PIL import Image
buffer = io.BytesIO()
Image.new("RGB", (64, 32), "orange").save(buffer, "PNG")
PICTURE = base64.b64encode(buffer.getvalue()).decode()
for part in ("one", " two"):
    print(part, end="", flush=True)
""".strip()
SLIDE = {"slideshow": {"slide_type": "slide"}}


def made() -> nbformat.NotebookNode:
    """A notebook as JupyterLab might leave it: not executed, with random ids and somebody's metadata."""
    cells = [
        new_markdown_cell("# Why?", metadata=SLIDE),
        new_code_cell("steps = 20", metadata={**SLIDE, "tags": ["parameters"], "collapsed": True}),
        new_code_cell(SMALL, metadata=SLIDE),
        new_code_cell(LAB, metadata=SLIDE),
        new_code_cell("steps + 1", metadata=SLIDE),
    ]
    return new_notebook(cells=cells, metadata={"language_info": {"name": "python", "version": "3.99"}})


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> nbformat.NotebookNode:
    return notebooks.normalised(notebooks.execute(made(), tmp_path_factory.mktemp("kernel")))


@pytest.fixture
def store(tmp_path):
    """A function that stores a notebook and tells its faults."""

    def faults(notebook) -> str:
        path = tmp_path / "small.ipynb"
        path.write_text(notebooks.text(notebook), encoding="utf-8")
        return "\n".join(notebooks.faults(path))

    return faults


def copy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return nbformat.from_dict(json.loads(json.dumps(notebook)))


def test_executing_again_gives_the_same_bytes(executed, tmp_path):
    again = notebooks.normalised(notebooks.execute(executed, tmp_path))
    assert notebooks.text(again) == notebooks.text(executed)
    assert notebooks.differences(executed, again) == []


def test_normalising_twice_is_normalising_once(executed):
    assert notebooks.text(notebooks.normalised(executed)) == notebooks.text(executed)


def test_a_good_notebook_has_no_faults(executed, store):
    assert store(executed) == ""
    assert notebooks.code_cells(executed)[1].outputs[0].text == "one two"


def test_a_lab_leaves_its_picture_and_no_widget(executed):
    (output,) = notebooks.code_cells(executed)[2].outputs
    assert sorted(output.data) == ["image/png", "text/plain"]
    assert "model_id" not in json.dumps([cell.outputs for cell in notebooks.code_cells(executed)])


def test_inserting_a_cell_leaves_the_ids_of_the_others(executed):
    longer = copy(executed)
    longer.cells.insert(1, new_markdown_cell("Guess first.", metadata=SLIDE))
    ids = [cell.id for cell in notebooks.normalised(longer).cells]
    assert [ids[0], *ids[2:]] == [cell.id for cell in executed.cells]


def test_equal_cells_have_different_ids(executed):
    double = copy(executed)
    double.cells += copy(executed).cells
    ids = [cell.id for cell in notebooks.normalised(double).cells]
    assert len(set(ids)) == len(ids)


@given(st.text(min_size=1), st.lists(st.integers(0, 50)))
def test_how_a_stream_was_cut_does_not_matter(printed, cuts):
    edges = [0, *sorted(min(cut, len(printed)) for cut in cuts), len(printed)]
    parts = [printed[start:end] for start, end in pairwise(edges)]
    outputs = [new_output("stream", name="stdout", text=part) for part in parts]
    cell = new_code_cell("print(…)", outputs=outputs)
    (output,) = notebooks.normalised(new_notebook(cells=[cell])).cells[0].outputs
    assert output.text == printed


def stored_error(cell):
    cell.outputs = [new_output("error", ename="ValueError", evalue="epsilon", traceback=[])]


def stored_warning(cell):
    cell.outputs = [new_output("stream", name="stderr", text="UserWarning: old")]


def widget_alone(cell):
    cell.outputs = [new_output("display_data", data={notebooks.VIEW: notebooks.HIDDEN_VIEW})]


def too_long(cell):
    cell.source = "\n".join(f"a{line} = {line}" for line in range(21))


def memory_address(cell):
    cell.outputs = [new_output("stream", name="stdout", text="<Line2D at 0x7f00deadbeef>")]


def folder_of_the_machine(cell):
    cell.outputs = [new_output("stream", name="stdout", text="saved\n/home/" + "ada/picture.png")]


def not_executed(cell):
    cell.execution_count = None


def no_slide(cell):
    del cell.metadata["slideshow"]


def too_big(cell):
    cell.outputs = [new_output("stream", name="stdout", text="x" * notebooks.MAX_BYTES)]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (stored_error, "cell 5 stores an error: ValueError: epsilon"),
        (stored_warning, "cell 5 stores a warning: UserWarning: old"),
        (widget_alone, "cell 5 shows nothing without a kernel"),
        (too_long, "cell 5 has 21 lines, 20 are allowed"),
        (memory_address, "cell 5 shows a memory address"),
        (folder_of_the_machine, "cell 5 names a folder of the machine"),
        (not_executed, "was not executed from top to bottom"),
        (no_slide, "cell 5 has no slide tag"),
        (too_big, "1500000 are allowed"),
    ],
)
def test_the_check_refuses(spoil, complaint, executed, store):
    spoilt = copy(executed)
    spoil(spoilt.cells[4])
    found = store(notebooks.normalised(spoilt))
    assert complaint in found
    assert len(found.splitlines()) == 1


def test_the_check_refuses_a_notebook_that_is_not_normalised(executed, store):
    raw = copy(executed)
    raw.metadata["authors"] = ["Ada"]
    assert "not normalised" in store(raw)


def test_the_check_refuses_a_notebook_without_parameters(executed, store):
    spoilt = copy(executed)
    del spoilt.cells[1].metadata["tags"]
    assert "no cell is tagged `parameters`" in store(spoilt)


def test_what_sets_a_lesson_up_is_folded(executed, store):
    """All that stands before the check of the parameters, and the check; but not the parameters themselves."""
    spoilt = copy(executed)
    spoilt.cells[3].source = "lesson.check(steps=lesson.Whole(steps, 20, 1, 50))"
    found = store(notebooks.normalised(spoilt)).splitlines()
    assert [place for place in range(1, 6) if f"cell {place} sets the lesson up" in "".join(found)] == [3, 4]
    for cell in spoilt.cells[2:4]:
        cell.metadata["jupyter"] = {"source_hidden": True}
    assert store(notebooks.normalised(spoilt)) == ""


def test_another_number_is_a_difference(executed):
    other = copy(executed)
    other.cells[4].outputs[0].data["text/plain"] = "22"
    (found,) = notebooks.differences(executed, other)
    assert "code cell 4" in found
    assert "22" in found


def test_another_picture_of_the_same_size_is_forgiven_and_of_another_size_is_not(executed):
    def with_picture(size, colour):
        buffer = io.BytesIO()
        Image.new("RGB", size, colour).save(buffer, "PNG")
        other = copy(executed)
        other.cells[3].outputs[0].data["image/png"] = base64.b64encode(buffer.getvalue()).decode()
        return other

    assert notebooks.differences(executed, with_picture((64, 32), "blue")) == []
    assert notebooks.differences(executed, with_picture((64, 64), "orange"))


def test_the_name_of_the_machine_is_forgiven(executed):
    here, there = copy(executed), copy(executed)
    here.cells[4].outputs[0].data["text/plain"] = "Computing on a GPU. torch 2.15.0"
    there.cells[4].outputs[0].data["text/plain"] = "Computing on the processor. torch 2.11.0"
    assert notebooks.differences(here, there) == []


LESSONS = [pytest.param(path, id=path.stem) for path in notebooks.find([])]


@pytest.mark.parametrize("path", LESSONS)
def test_the_stored_lesson_is_in_order(path):
    assert notebooks.faults(path) == []
