"""Pictures that took minutes to climb and ship with the course: the ladder of regularisers, the classes.

Serves notebook 6. Made by `scripts/results_visualization.py`. Papers: see `ascent` and `classes`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from torch import Tensor

from course_utils import images, runtime
from course_utils.arguments import check_choice

FOLDER = runtime.DATA / "visualization"
RESULTS = ("ladder", "classes", "neurons", "thousand")
NETWORKS = ("signs-alexnet", "signs-inception", "signs-resnet", "signs-resnet-robust")


@dataclass(frozen=True)
class Result:
    """Pictures in rows and columns, and what is known about them."""

    pictures: Tensor  # [rows, columns, 3, S, S] in [0, 1]
    rows: tuple[str, ...]
    columns: tuple[int, ...]  # steps of the climb, classes or filters
    facts: dict  # what was measured; "made" says how


def load_result(name: str) -> Result:
    """Read what `scripts/results_visualization.py` made.

    Args:
        name: "ladder", rungs × steps, facts: network, layer, filter, scores [rungs][steps];
            "classes", networks × classes (labels), facts: transfer["slide"] and transfer["regularised"] [networks]
            [networks]: the mean probability, over all classes, that network k gives to the pictures of network i;
            "neurons", rungs × filters of the network of a thousand classes, facts: network, layer, scores;
            "thousand", by logit, by probability, by probability with no penalty × classes of the same network, facts:
            of more classes, logits, probabilities, others (by how much the sum of all others' exponentials rose, as a
            logarithm), contrast (standard deviation of the pixels) [rows][classes]; plain [classes]: the logit at the
            start, where plain steps along the logit and along the probability brought it, and the latter's probability.

    >>> ladder = load_result("ladder")
    >>> ladder.columns, ladder.pictures.shape
    ((0, 1, 8, 32, 128), torch.Size([6, 5, 3, 64, 64]))
    """
    check_choice("a result", name, RESULTS, says="is called 'ladder', 'classes', 'neurons' or 'thousand'")
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    whole = images.to_tensor(FOLDER / f"{name}.jpg", device="cpu")[0]  # [3, rows × S, columns × S]
    side = whole.shape[1] // len(facts["rows"])
    tiles = whole.unflatten(2, (-1, side)).unflatten(1, (-1, side)).permute(1, 3, 0, 2, 4).contiguous()
    return Result(tiles, tuple(facts.pop("rows")), tuple(facts.pop("columns")), facts)
