"""Make docs/glossary.md: each of the field's words, the sentence of the lesson that explains it, and the lesson.

    python scripts/glossary.py

The sentences are the lessons' own: a word stands once in bold where it is first needed, and its meaning is said there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import notebooks

TO = notebooks.ROOT / "docs" / "glossary.md"
# A word as the lessons write it in bold, and the lesson that explains it.
WORDS = {
    "equivariance": 2, "invariance": 2, "aliasing": 2, "global average pooling": 2, "max pooling": 2,
    "average pooling": 2, "blur pooling": 2, "stride": 2,
    "1×1 convolution": 3, "MACs": 3, "FLOPs": 3, "bottleneck": 3, "arithmetic intensity": 3,
    "depthwise separable": 3, "explained variance": 3,
    "receptive field": 4, "ablation": 4,
    "initialisation": 5, "batch normalisation": 5, "degradation": 5, "Jacobian": 5, "loss surface": 5,
    "adaptive optimizer": 5, "learning-rate warm-up": 5,
    "logit": 6, "dataset example": 6, "feature visualization": 6,
    "out-of-distribution": 1, "calibration": 1, "validation": 1, "top-5 error": 1, "HOG": 1, "SIFT": 1,
    "Grad-CAM": 7, "class activation map": 7, "feature map": 7, "SmoothGrad": 7, "pointing game": 7, "shortcut": 7,
    "adversarial example": 8, "norm": 8, "obfuscated gradients": 8, "BPDA": 8, "catastrophic overfitting": 8,
    "patch": 8, "certificate": 8, "untargeted": 8,
}  # fmt: skip
HEAD = """# Glossary

The field's words, each in the sentence of the lesson that explains it. `python scripts/glossary.py` makes this page.

| word | as the lesson says it | lesson |
|---|---|---|
"""


def sentences(lesson: int) -> Iterator[str]:
    """The sentences of a lesson's prose, one line each, with their bold words."""
    (path,) = notebooks.find([str(lesson)])
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "markdown":
            for paragraph in re.split(r"\n\s*\n|\n(?=[-*#\d|>])", cell.source):
                line = re.sub(r"^[-*#>\s]*\s", "", " ".join(paragraph.split()))  # a list's dash goes, a bold word stays
                yield from re.split(r"(?<=[.!?:])\s+(?=[A-ZÀ-Þ*\d])", line)


def explain(word: str, lesson: int) -> str:
    """The first sentence of the lesson in which the word stands in bold (a plural or a capital is the same word).

    Raises:
        SystemExit: the lesson does not have it.
    """
    bold = re.compile(rf"\*\*[^*]*\b{re.escape(word)}s?\b[^*]*\*\*", re.IGNORECASE)
    for sentence in sentences(lesson):
        if bold.search(sentence):
            return sentence
    raise SystemExit(f"lesson {lesson} nowhere has **{word}** in bold; explain it there, or take it out of WORDS.")


def text() -> str:
    """The page."""
    rows = []
    for word, lesson in sorted(WORDS.items(), key=lambda item: item[0].lower()):
        said = explain(word, lesson).replace("|", "\\|")
        rows.append(f"| {word} | {said} | {lesson} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    TO.write_text(text(), encoding="utf-8")
    print(f"{len(WORDS)} words in {TO.relative_to(notebooks.ROOT)}")
