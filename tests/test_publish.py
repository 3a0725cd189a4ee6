"""The course's address: said in one place, repeated nowhere by hand, and equal everywhere."""

import shutil

import pytest

from scripts import notebooks, publish


@pytest.fixture
def copy(tmp_path, root):
    """What `make publish` writes into, with two of the lessons."""
    (tmp_path / "notebooks").mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(root / name, tmp_path / name)
    for path in notebooks.find([])[:2]:
        shutil.copy(path, tmp_path / "notebooks")
    return tmp_path


def places(root):
    """(set-up cell, badge cells) of every lesson."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = notebooks.read(path)
        found = [cell.source for cell in notebook.cells if "badges" in cell.metadata.get("tags", [])]
        yield path.name, notebooks.code_cells(notebook)[0].source, found


def agrees(root) -> None:
    """All places say what pyproject.toml says."""
    repository = publish.published(root)
    for lesson, setup, badges in places(root):
        assert setup == publish.setup_cell(repository), lesson
        assert badges == ([publish.badges(repository, lesson)] if repository else []), lesson
    (told,) = publish.BADGES.findall((root / "README.md").read_text(encoding="utf-8"))
    assert told.strip() == publish.badges(repository)


def test_the_course_says_the_same_everywhere(root):
    agrees(root)


def test_publishing_reaches_every_place_and_can_be_repeated_and_undone(copy):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    start = publish.published(copy)
    for repository in ("ada/cnns", "grace-h/modern.cnns", "grace-h/modern.cnns"):
        publish.publish(repository, copy)
        assert publish.published(copy) == repository
        agrees(copy)
        assert [fault for path in (copy / "notebooks").glob("*.ipynb") for fault in notebooks.faults(path)] == []
    publish.publish(start, copy)
    assert {path: path.read_bytes() for path in before} == before


def test_a_published_lesson_opens_itself_in_colab_and_binder(copy):
    publish.publish("ada/cnns", copy)
    lesson, setup, (badges,) = next(places(copy))
    assert f"https://colab.research.google.com/github/ada/cnns/blob/main/notebooks/{lesson})" in badges
    assert f"https://mybinder.org/v2/gh/ada/cnns/main?urlpath=lab/tree/notebooks/{lesson})" in badges
    assert "git+https://github.com/ada/cnns" in setup


def test_the_set_up_cell_has_six_lines():
    lines = [line for line in publish.setup_cell("ada/cnns").splitlines() if line]
    assert len(lines) <= 6
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("wrong", ["", "ada", "https://github.com/ada/cnns", "ada/cnns/x", "a b/c"])
def test_what_is_no_repository_is_refused_and_changes_nothing(wrong, copy):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="REPOSITORY is the owner and the name on GitHub"):
        publish.publish(wrong, copy)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("installed", "beside", "source", "expected"),
    [
        (True, True, "elsewhere", None),
        (False, False, "", "git+https://github.com/ada/cnns"),
        (False, True, "", "course_utils-1.0-py3-none-any.whl"),
        (False, True, "elsewhere", "elsewhere"),
    ],
)
def test_the_set_up_cell_installs_what_is_missing(installed, beside, source, expected, tmp_path, monkeypatch):
    from importlib import util

    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_SOURCE", source)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setattr(util, "find_spec", lambda name: object() if installed else None)
    if beside:
        (tmp_path / "course_utils-1.0-py3-none-any.whl").touch()
    asked = []
    shell = InteractiveShell()
    shell.register_magic_function(lambda line: asked.append(line), magic_name="pip")
    shell.run_cell(publish.setup_cell("ada/cnns")).raise_error()
    assert asked == ([f"install --quiet {expected}"] if expected else [])
