"""Wide scenes with two signs, and collages: where their masks say, both read, and the same from the same seed."""

import itertools

import pytest
import torch

from course_utils import gradcam, images, signs, zoo
from course_utils.gradcam import pairs, saliency, sanity
from course_utils.gradcam.gradcam import evidence, resize


def test_two_signs_stand_side_by_side_where_their_masks_say():
    made = pairs.two_signs([signs.STOP, 0], [signs.YIELD, 17], seed=4, device="cpu")
    assert made.images.shape == (2, 3, 64, 128)
    assert made.labels.tolist() == [[signs.STOP, signs.YIELD], [0, 17]]
    assert made.masks.shape == (2, 2, 64, 128)
    assert not made.masks[:, 0, :, 64:].any()
    assert not made.masks[:, 1, :, :64].any()
    assert (made.masks.sum(dim=(2, 3)) > 500).all()
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    again = pairs.two_signs([signs.STOP, 0], [signs.YIELD, 17], seed=4, device="cpu")
    assert torch.equal(again.images, made.images)
    with pytest.raises(ValueError, match="as many signs for the left"):
        pairs.two_signs([1], [2, 3])


def test_two_signs_are_both_read():
    network = zoo.load("signs-resnet", device="cpu")
    made = pairs.random_pairs(60, seed=9, device="cpu")
    assert (made.labels[:, 0] != made.labels[:, 1]).all()
    with torch.no_grad():
        top = network(made.images).topk(2, dim=1).indices
    both = (top.sort(dim=1).values == made.labels.sort(dim=1).values).all(dim=1)
    assert both.float().mean() > 0.9


def test_a_collage_has_the_middle_of_each_photograph_in_the_half_that_its_mask_says():
    network, names = zoo.load("efficientnet-lite0", device="cpu"), ["cat", "espresso", "rocket"]
    made = pairs.collages(network, names, device="cpu")
    assert made.images.shape == (6, 3, 224, 224)
    assert made.masks.shape == (6, 2, 224, 224)
    assert torch.equal(made.masks.sum(dim=1), torch.ones(6, 224, 224))
    whole = [images.photograph(name, size=224, device="cpu")[0] for name in names]
    for one, (left, right) in zip(made.images, itertools.permutations(range(3), 2), strict=True):
        assert torch.equal(one[..., :112], whole[left][..., 56:168])
        assert torch.equal(one[..., 112:], whole[right][..., 56:168])
    read = [network.class_names[label] for label in made.labels[:, 0]]
    assert read[:4] == ["Egyptian cat", "Egyptian cat", "espresso", "espresso"]
    assert torch.equal(made.labels[0], made.labels[2].flip(0))
    maps = pairs.ask_for_both(network, made, gradcam.gradcam)["right sign"]
    assert (maps > 0.7).all()
    both_cold = pairs.ask_for_both(network, made, lambda _network, x, _labels: x.new_zeros(len(x), 224, 224))
    assert both_cold["right sign"].tolist() == [0.5] * 6


# ---- the lesson's reasons ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def streets() -> pairs.Pairs:
    return pairs.random_pairs(12, seed=31, device="cpu")


@pytest.mark.parametrize("name", ["signs-resnet", "signs-resnet-robust"])
def test_the_answer_of_guided_backprop_goes_with_the_classifier_and_its_drawing_stays(name, streets):
    network = zoo.load(name, device="cpu")
    trained = pairs.ask_for_both(network, streets, saliency.guided_backprop)
    assert trained["pointing game"].mean() > 0.8
    assert trained["right sign"].mean() > 0.62
    before = saliency.guided_backprop(network, streets.images, streets.labels[:, 0])
    for seed in (0, 1, 2):
        empty = sanity.randomise(network, ["classifier"], seed)
        found = pairs.ask_for_both(empty, streets, saliency.guided_backprop)
        assert found["pointing game"].mean() < 0.7
        assert 0.42 < found["right sign"].mean() < 0.58
        after = saliency.guided_backprop(empty, streets.images, streets.labels[:, 0])
        assert sanity.rank_correlation(before, after).mean() > 0.88


@pytest.mark.parametrize("name", ["signs-resnet", "signs-resnet-robust"])
def test_without_its_negative_gradients_grad_cam_spreads_over_both_signs_as_grad_cam_plus_plus_does(name, streets):
    network = zoo.load(name, device="cpu")

    def only_positive(network, images, labels):
        A, gradient = evidence(network, images, labels, layer="stage3")
        alpha = gradient.clamp(min=0).mean(dim=(2, 3), keepdim=True)
        return resize((alpha * A).sum(dim=1).clamp(min=0), images.shape[2:])

    def right(method) -> float:
        return pairs.ask_for_both(network, streets, method)["right sign"].mean().item()

    whole = right(lambda *asked: gradcam.gradcam(*asked, layer="stage3"))
    plus_plus = right(lambda *asked: gradcam.gradcam_plus_plus(*asked, layer="stage3"))
    assert max(plus_plus, right(only_positive)) < 0.68
    assert whole > 0.78
