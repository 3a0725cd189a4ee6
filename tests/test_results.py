"""What ships in data/ as the scripts results_….py wrote it: its one form, how it was made, the parts that make it."""

import importlib
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import runtime
from scripts import results

FOLDERS = ("adversarial", "conv1x1", "gradcam", "inception", "pooling", "resnet", "visualization")
SHIPPED = sorted(path for folder in FOLDERS for path in (runtime.DATA / folder).glob("*.json"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
CONTENT = st.recursive(SCALARS, lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts), max_leaves=20)


@given(CONTENT)
def test_what_is_written_is_read_again(content):
    assert json.loads(results.text(content)) == content


def test_a_list_of_numbers_is_one_line_and_an_entry_another(tmp_path, capsys):
    results.write(tmp_path / "new" / "file.json", {"made": {"seed": 1}, "ε": [1, 2.5], "rows": [[1], [2]]})
    written = (tmp_path / "new" / "file.json").read_text(encoding="utf-8")
    assert written.splitlines()[4:6] == [' "ε": [ 1, 2.5 ],', ' "rows": [']
    assert written.endswith("}\n")
    assert "file.json" in capsys.readouterr().out


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_ships_has_this_form_and_names_a_command_that_is_there(path, root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "scripts"))  # as where a script is run
    monkeypatch.setitem(sys.modules, "results", results)
    stored = path.read_text(encoding="utf-8")
    content = json.loads(stored)
    assert results.text(content) == stored
    python, script, *part = content.get("made", content)["command"].split()
    assert python == "python"
    module = importlib.import_module((root / script).stem)
    assert module.__file__ == str(root / script)
    assert not part or part[0] in module.PARTS


def test_every_folder_has_its_files():
    assert {path.parent.name for path in SHIPPED} == set(FOLDERS)
    assert len(SHIPPED) >= 21


def test_named_parts_are_made_in_their_order_and_all_of_them_without_a_name(capsys):
    done = []
    parts = {name: lambda name=name: done.append(name) for name in ("one", "two")}
    results.main(parts, "About.", ["two", "one"])
    results.main(parts, "About.", [])
    assert done == ["two", "one", "one", "two"]
    with pytest.raises(SystemExit):
        results.main(parts, "About.", ["three"])
    assert "invalid choice: 'three'" in capsys.readouterr().err


def test_how_a_file_was_made():
    told = results.made("pooling", seed=1)
    assert told["command"] == "python scripts/results_pooling.py"
    assert results.made("resnet", "twins")["command"] == "python scripts/results_resnet.py twins"
    assert list(told) == ["command", "torch", "device", "seed"]
    assert results.precision() in ("bfloat16", "float16", "float32")
