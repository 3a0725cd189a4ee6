"""The chain of words: it says nothing that was not said, pair by pair, and a prompt stays in front."""

import itertools

import pytest

from course_utils.history import captions

TABLE = captions.followers(captions.SLIDE)


@pytest.mark.parametrize("seed", range(20))
def test_every_word_followed_the_one_before_in_some_caption(seed):
    words = captions._words(captions.write(TABLE, seed=seed))
    assert all(following in TABLE[word] for word, following in itertools.pairwise(words))
    assert words[-1] == "." or len(words) == 24


def test_a_prompt_stays_in_front_and_the_same_seed_writes_the_same():
    for prompt in ("A robot", "a giraffe is", "A woman in a pink coat"):
        written = captions.write(TABLE, prompt, seed=1)
        assert written.lower().startswith(prompt.lower())
        assert written == captions.write(TABLE, prompt, seed=1)
    assert len({captions.write(TABLE, seed=seed) for seed in range(20)}) > 10


def test_it_writes_what_nobody_said():
    assert any(captions.write(TABLE, seed=seed) not in captions.SLIDE for seed in range(20))


@pytest.mark.parametrize("prompt", ["", "A zebra"])
def test_a_prompt_without_a_known_end_is_refused(prompt):
    with pytest.raises(ValueError, match="must end in a word of the captions, such as 'robot'; got"):
        captions.write(TABLE, prompt)
