"""What excites a filter: the strongest answers of all, where they are, and that a box holds all that a filter sees."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import images, signs, zoo
from course_utils.costs import accounting
from course_utils.layers.find import outer_layers
from course_utils.visualization import examples
from course_utils.visualization import figures as drawings
from course_utils.visualization.objectives import LOGITS

LAYERS = (("signs-alexnet", "features.0"), ("signs-alexnet", "features.3"), ("signs-resnet", "stage1"))


@pytest.fixture(scope="module")
def networks():
    return {name: zoo.load(name, device="cpu") for name in ("signs-alexnet", "signs-inception", "signs-resnet")}


@pytest.fixture(scope="module")
def scenes():
    return signs.render(40, seed=5, device="cpu").images


def of(network, pictures, layer):
    """The layer's output by a plain hook and a whole run."""
    kept = []
    hook = network.body.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2].clone()))
    with torch.no_grad():
        network(pictures)
    hook.remove()
    return kept[0]


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_activations_are_the_layers_output_before_what_follows(networks, scenes, name, layer):
    found = examples.activations(networks[name], scenes[:3], layer)
    torch.testing.assert_close(found, of(networks[name], scenes[:3], layer))
    torch.testing.assert_close(found, examples.activations(networks[name], scenes[:3], f"body.{layer}"))


def test_the_networks_answer_counts_as_a_layer_of_one_place(networks, scenes):
    network = networks["signs-resnet"]
    found = examples.activations(network, scenes[:3], LOGITS)
    with torch.no_grad():
        torch.testing.assert_close(found[:, :, 0, 0], network(scenes[:3]))
    best = examples.top_examples(network, scenes, LOGITS, signs.STOP, count=1)
    assert best.boxes.tolist() == [[[0, 0, 64, 64]]]


def test_a_run_ends_at_the_layer_and_leaves_nothing_behind(networks, scenes):
    network, late = networks["signs-alexnet"], []
    network.train()
    hook = network.body.features[6].register_forward_hook(lambda *_: late.append(1))
    examples.activations(network, scenes[:2], "features.3")
    hook.remove()
    assert late == []
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not network.body.features[3]._forward_hooks
    with pytest.raises(ValueError, match=r"takes \[N, 3, H, W\]"):
        examples.activations(network, torch.rand(1, 4, 64, 64), "features.12")
    assert not network.body.features[12]._forward_hooks
    network.eval()


@pytest.mark.parametrize("name", ["signs-alexnet", "signs-inception", "signs-resnet"])
def test_a_field_is_as_large_as_the_account_says(networks, scenes, name):
    rows = {row.name: row for row in accounting.account(networks[name]).everything}
    layers = outer_layers(networks[name])
    assert len(layers) >= 4
    for layer, size in layers.items():
        field = examples.field(networks[name], scenes, layer)
        assert field.size == rows[layer].receptive_field
        assert field.stride == rows[layer].stride
        assert field.grid == size[1:]


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_nothing_outside_the_box_moves_the_answer_and_something_inside_does(networks, scenes, name, layer):
    network, best = networks[name], examples.top_examples(networks[name], scenes, layer, 3, count=2)
    for value, which, box in zip(best.values[0], best.pictures[0], best.boxes[0].tolist(), strict=True):
        top, left, bottom, right = max(box[0], 0), max(box[1], 0), box[2], box[3]
        inside = torch.zeros(1, 1, 64, 64)
        inside[..., top:bottom, left:right] = 1
        picture = scenes[which][None]
        noise = torch.rand(picture.shape, generator=torch.Generator().manual_seed(1))
        maps = examples.activations(network, torch.where(inside > 0, picture, noise), layer)[0, 3]
        assert torch.isclose(maps, value, rtol=1e-5, atol=1e-5).any()
        for rows, columns in ((slice(top, top + 1), slice(left, right)), (slice(top, bottom), slice(left, left + 1))):
            edge = picture.clone()
            edge[..., rows, columns] = 1 - edge[..., rows, columns]  # the outermost line that it may see
            place = of(network, picture, layer)[0, 3].argmax()
            assert examples.activations(network, edge, layer)[0, 3].flatten()[place] != value


@settings(max_examples=12)
@given(st.integers(1, 9), st.integers(1, 40), st.lists(st.integers(0, 31), min_size=1, max_size=5))
def test_the_strongest_are_those_of_a_plain_sort_however_the_batches_are_cut(networks, scenes, count, batch, filters):
    network = networks["signs-alexnet"]
    found = examples.top_examples(network, scenes.split(batch), "features.0", filters, count=count)
    peaks = of(network, scenes, "features.0")[:, filters].amax(dim=(2, 3)).T  # [F, N]
    torch.testing.assert_close(found.values, peaks.sort(dim=1, descending=True).values[:, :count])
    torch.testing.assert_close(peaks.gather(1, found.pictures), found.values)
    assert found.filters == tuple(filters)
    assert found.shown == len(scenes)


def test_batches_may_be_made_while_they_are_asked_for(networks, scenes):
    network, asked = networks["signs-alexnet"], []

    def batches():
        for part in scenes.split(10):
            asked.append(len(part))
            yield part

    path = examples.top_examples_steps(network, batches(), "features.3", [0, 7], count=3)
    assert next(path).shown == 10
    assert asked == [10]
    *_, last = path
    whole = examples.top_examples(network, scenes, "features.3", [0, 7], count=3)
    assert torch.equal(last.values, whole.values)
    assert torch.equal(last.only(7).pictures, whole.pictures[1:])


def test_patches_are_what_the_boxes_hold_and_grey_beyond_the_edge(networks, scenes):
    found = examples.top_examples(networks["signs-alexnet"], scenes, "features.3", count=4)
    patches = found.patches(scenes)
    assert patches.shape == (64, 4, 3, 25, 25)
    for f, k in ((0, 0), (17, 2), (40, 3), (63, 1)):
        top, left, bottom, right = found.boxes[f, k].tolist()
        padded = nn.functional.pad(scenes[found.pictures[f, k]], (25,) * 4, value=0.5)
        assert torch.equal(patches[f, k], padded[:, top + 25 : bottom + 25, left + 25 : right + 25])


def test_views_are_a_photograph_and_its_four_quarters():
    views = examples.views("palace", 96, "cpu")
    assert views.shape == (5, 3, 96, 96)
    large = images.photograph("palace", size=192, device="cpu")[0]
    corners = [
        large[:, rows, columns] for rows in (slice(96), slice(96, 192)) for columns in (slice(96), slice(96, 192))
    ]
    for quarter, corner in zip(views[1:], corners, strict=True):
        assert torch.equal(quarter, corner)
    torch.testing.assert_close(views[:1], images.photograph("palace", size=96, device="cpu"))
    assert set(examples.SINGLE) < set(images.PHOTOGRAPHS)
    with pytest.raises(images.PictureError, match="there is no photograph called 'dog'"):
        examples.views("dog")


def test_fewer_pictures_than_asked_for_are_all_there_are(networks, scenes):
    assert examples.top_examples(networks["signs-alexnet"], scenes[:3], "features.0", 0).values.shape == (1, 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"layer": "features.30"}, "no layer 'features.30'; did you mean 'features.3'"),
        ({"layer": "classifier.2"}, r"the layer 'classifier.2' gives \[2, 256\], not maps over places"),
        ({"layer": 3}, "layer is a layer of the network or its name, such as 'stage3'; got 3"),
        ({"filters": 32}, "this layer has 32 filters, numbered 0 to 31; there is no filter 32"),
        ({"filters": [-1]}, "there is no filter -1"),
        ({"filters": "five"}, "filters are whole numbers such as 5"),
        ({"filters": []}, "filters are whole numbers such as 5"),
        ({"count": 0}, "count is a whole number of pictures, at least 1; got 0"),
        ({"count": 1.5}, "count must be a whole number of at least 1; got 1.5"),
        ({"images": torch.rand(3, 64, 64)}, r"give pictures, a tensor \[N, 3, H, W\]"),
        ({"images": 7}, r"give pictures, .* got int"),
        ({"images": torch.full((2, 3, 64, 64), 120.0)}, r"pixels must lie in \[0, 1\].* divide by 255"),
        ({"images": [torch.full((2, 3, 64, 64), 120.0)]}, r"pixels must lie in \[0, 1\].* divide by 255"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(networks, scenes, change, sentence):
    given = {"images": scenes[:2], "layer": "features.0", "filters": 0, "count": 1} | change
    with pytest.raises((ValueError, TypeError), match=sentence):
        examples.top_examples(networks["signs-alexnet"], **given)


def test_a_layer_is_not_asked_about_pixels_of_0_to_255(networks, scenes):
    with pytest.raises(ValueError, match="divide by 255"):
        examples.activations(networks["signs-alexnet"], 255 * scenes[:1], "features.3")


# ---- drawings --------------------------------------------------------------------------------------------------
def test_an_outlined_scene_is_bright_inside_and_dim_outside(scenes):
    pixels = images.to_pixels(scenes[0])
    shown = np.asarray(drawings.outline(pixels, (20, 24, 44, 80), 128)).astype(int)  # it reaches over the right edge
    large = pixels.repeat(2, axis=0).repeat(2, axis=1).astype(int)
    assert (shown[50:80, 60:120] == large[50:80, 60:120]).all()
    assert abs(shown[:30] - 0.45 * large[:30]).max() <= 1
    assert (shown[41, 60:120] == [240, 228, 66]).all()  # yellow


@pytest.mark.parametrize("shades", [2, 8, 32, 256])
def test_fewer_shades_keep_black_and_white_and_move_no_pixel_far(scenes, shades):
    pixels = images.to_pixels(scenes[0])
    pixels[0, 0], pixels[0, 1] = 0, 255
    fewer = drawings.fewer_shades(pixels, shades)
    assert len(set(fewer.flatten().tolist())) <= shades
    assert (fewer[0, :2] == pixels[0, :2]).all()
    assert abs(fewer.astype(int) - pixels).max() <= 255 / (shades - 1) / 2 + 1


def test_every_drawing_holds_its_pictures(scenes, networks):
    found = examples.top_examples(networks["signs-alexnet"], scenes, "features.3", [5, 7], count=6)
    patches = images.to_pixels(found.patches(scenes).flatten(0, 1)).reshape(2, 6, 25, 25, 3)
    pictures, boxes = list(images.to_pixels(scenes[found.pictures[0]])), found.boxes[0].tolist()
    patches = list(patches[0]), list(patches[1])
    shown = drawings.top_examples(pictures, boxes, patches[0], ["x"] * 6, title="both")
    noted = drawings.top_examples(pictures, boxes, patches[0], ["x y"] * 6, title="both")
    assert shown.shape == noted.shape
    assert (shown[:-40] == noted[:-40]).all()
    assert (shown[-40:] != noted[-40:]).any()
    rows = drawings.agreement(pictures[:2], patches, names=["a", "b"], notes=["1", "2"], title="both")
    assert rows.shape[1] == 1120
    framed, plain = (drawings.maps(pictures[:3], pictures, range(6), k, captions="abc", below="w") for k in (2, 8))
    assert (framed != plain).any()
    with pytest.raises(ValueError, match="one box"):
        drawings.top_examples(pictures, boxes[:2], patches[0], ["x"] * 6, title="no")


def test_the_labs_picture_is_as_tall_before_the_scenes_are_known(scenes):
    pixels = images.to_pixels(scenes[0])
    words = {"title": "t", "caption": "c", "y_label": "y", "below": "b"}
    empty = drawings.climbing(pixels, [0.0, 1.0], 10, **words, best=None, real=[])
    full = drawings.climbing(pixels, [0.0, 1.0], 10, **words, best=2.0, real=[(pixels, (0, 0, 9, 9))] * 8)
    assert empty.shape == full.shape
    assert (empty != full).any()
    assert drawings.climbing(pixels, [0.0, 1.0], 10, **words, best=None, real=None).shape[0] < full.shape[0]
