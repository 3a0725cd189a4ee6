"""The pages that are made from the lessons: the glossary says what they say; every lesson's reasons are listed."""

import re
import sys

import pytest

from scripts import notebooks

sys.path.insert(0, str(notebooks.ROOT / "scripts"))  # where `make` runs it
import glossary


def test_the_glossary_says_what_the_lessons_say():
    assert glossary.TO.read_text(encoding="utf-8") == glossary.text(), "say: python scripts/glossary.py"


def test_a_word_that_no_lesson_explains_is_told():
    with pytest.raises(SystemExit, match=r"lesson 1 nowhere has \*\*zebra crossing\*\* in bold"):
        glossary.explain("zebra crossing", 1)


def test_every_lesson_lists_its_reasons_with_a_control():
    page = (notebooks.ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert [part.split(":")[0] for part in parts] == [f"Lesson {number}" for number in range(1, 9)]
    counted = 0
    for part in parts:
        rows = [row for row in part.splitlines() if row.startswith("|")][2:]
        assert len(rows) >= 15
        counted += len(rows)
        for row in rows:
            claim, where, control, result, _guard = re.split(r"(?<!\\)\|", row)[1:-1]
            assert all(cell.strip() for cell in (claim, where, control, result)), row
    readme = (notebooks.ROOT / "README.md").read_text(encoding="utf-8")
    assert f"lists the {counted} of them" in " ".join(readme.split())
