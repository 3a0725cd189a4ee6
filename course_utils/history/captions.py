"""Sentences about no picture: a chain of words, each drawn as often as it followed the one before.

Serves notebook 1. Papers: Shannon 1948, "A mathematical theory of communication" (chains of words); Xu et al. 2015,
arXiv:1502.03044 (the slide's first six captions, nearly word for word).
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence

from course_utils.arguments import check_whole

SLIDE = (  # the captions of the slides "image captioning" and, from the seventh on, of the next one
    "A woman is throwing a frisbee in a park.",
    "A dog is standing on a hardwood floor.",
    "A stop sign is on a road with a mountain in the background.",
    "A teddy bear is sitting on a bed with a teddy bear.",
    "A group of people is sitting on a boat in the water.",
    "A giraffe is standing in a forest with trees in the background.",
    "A woman in a pink coat is walking.",
    "A robot is standing in a room.",
    "A bottle of beer is on a table.",
    "A Native American man is standing in a field.",
)


def followers(sentences: Sequence[str]) -> dict[str, Counter[str]]:
    """Which words followed each word, and how often; a full stop is a word too.

    >>> followers(["A dog is here.", "A cat is there."])["is"]
    Counter({'here': 1, 'there': 1})
    """
    table: dict[str, Counter[str]] = {}
    for sentence in sentences:
        words = _words(sentence)
        for word, following in itertools.pairwise(words):
            table.setdefault(word, Counter())[following] += 1
    return table


def write(table: dict[str, Counter[str]], prompt: str = "A", *, seed: int = 0, most: int = 24) -> str:
    """Continue a prompt word by word until a full stop comes, or there are `most` words.

    Args:
        table: such as `followers` gives.
        prompt: the first words, of which the last stands in the table.
        seed: of what is drawn.

    >>> write(followers(["A dog is here."]), "A dog")
    'A dog is here.'
    """
    words, draw = _words(prompt), random.Random(check_whole("seed", seed, 0))
    if not words or words[-1] not in table:
        raise ValueError(f"the prompt must end in a word of the captions, such as 'robot'; got {prompt!r}.")
    while words[-1] in table and len(words) < most:
        following = table[words[-1]]
        words += draw.choices(list(following), list(following.values()))
    sentence = " ".join(words).replace(" .", ".")
    return sentence[0].upper() + sentence[1:]


def _words(sentence: str) -> list[str]:
    """The words, the first in small letters, and the full stop."""
    words = sentence.replace(".", " .").split()
    return [words[0].lower(), *words[1:]] if words else []
