"""Road-sign scenes: what the seed promises, what the truth says, what each dial does."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import signs
from course_utils.signs import drawings, scenes

DIALS = [dial.name for dial in fields(signs.Dials)]
ALL = list(range(len(signs.CLASSES)))


def render(labels, **options):
    return signs.render(labels, device="cpu", **options)


def test_the_same_seed_gives_the_same_scenes_and_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    first, second, other = render(6, seed=3), render(6, seed=3), render(6, seed=4)
    for part in fields(signs.Scenes):
        assert torch.equal(getattr(first, part.name), getattr(second, part.name))
    assert not torch.equal(first.images, other.images)
    assert torch.equal(before, torch.get_rng_state())


def test_the_number_of_threads_does_not_change_a_scene():
    """A sum may be rounded otherwise, so that no more than a thousandth of a pixel's range is asked."""
    threads = torch.get_num_threads()
    try:
        made = []
        for count in (1, 2):
            torch.set_num_threads(count)
            made.append(render(24, seed=7, dials=signs.Dials.wild()))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(made[0].labels, made[1].labels)
    assert (made[0].images - made[1].images).abs().max() < 1e-3


@settings(max_examples=12, deadline=None)
@given(
    count=st.integers(1, 9),
    size=st.sampled_from([32, 48, 64, 97, 224]),
    seed=st.integers(0, 2**62),
    dials=st.builds(signs.Dials, **{name: st.floats(0, 1) for name in DIALS}),
)
def test_any_scene_is_a_picture_with_its_truth(count, size, seed, dials):
    scenes = render(count, size=size, seed=seed, dials=dials)
    assert len(scenes) == count
    assert scenes.images.shape == (count, 3, size, size)
    assert scenes.masks.shape == (count, 1, size, size)
    assert scenes.poses.shape == (count, 3, 3)
    for values in (scenes.images, scenes.masks):
        assert values.isfinite().all()
        assert values.min() >= 0
        assert values.max() <= 1
    assert scenes.labels.dtype == torch.int64
    assert set(scenes.labels.tolist()) <= set(ALL)


def test_asked_labels_come_back_and_random_ones_cover_all_classes():
    assert render(ALL).labels.tolist() == ALL
    assert set(render(600, size=32).labels.tolist()) == set(ALL)


def test_the_mask_lies_where_the_pose_says():
    """Round signs: the mask's centre of mass is the image of the sign plane's origin, its area that of the disc."""
    scenes = render([11] * 40, dials=signs.Dials.clean(distance=0.8), seed=5)
    size, masks = scenes.masks.shape[-1], scenes.masks[:, 0]
    centres = (torch.arange(size) + 0.5) * 2 / size - 1
    area = masks.sum(dim=(1, 2))
    x = (masks.sum(dim=1) * centres).sum(dim=1) / area
    y = (masks.sum(dim=2) * centres).sum(dim=1) / area
    origin = scenes.poses[:, :2, 2] / scenes.poses[:, 2:, 2]
    inside = (origin.abs().amax(dim=1) + scenes.poses[:, 0, 0]) < 1  # not cut off by the edge
    assert inside.sum() > 10
    assert (torch.stack([x, y], dim=1) - origin)[inside].abs().max() < 2 * 0.5 / size  # half a pixel
    radius = scenes.poses[:, 0, 0] * drawings.RADIUS * size / 2
    assert (area / (torch.pi * radius**2) - 1)[inside].abs().max() < 0.05


def test_the_mask_marks_the_sign_and_nothing_else():
    """Two scenes that differ in the class only, both of the same outline, differ inside the mask only."""
    calm = signs.Dials.clean()
    first, second = render([0], dials=calm, seed=2), render([4], dials=calm, seed=2)
    changed = (first.images - second.images).abs().amax(dim=1, keepdim=True) > 0.02
    assert changed.any()
    assert (first.masks[changed] > 0).all()


def test_occlusion_takes_from_the_mask():
    free = render([10] * 64, dials=signs.Dials.clean(), seed=1)
    hidden = render([10] * 64, dials=signs.Dials.clean(occlusion=1.0), seed=1)
    lost = 1 - hidden.masks.sum(dim=(1, 2, 3)) / free.masks.sum(dim=(1, 2, 3))
    assert (lost > 0.02).float().mean() > 0.3
    assert lost.min() > -1e-5


@pytest.mark.parametrize("dial", DIALS)
def test_every_dial_changes_the_picture(dial):
    calm = render(8, dials=signs.Dials.clean(), seed=9).images
    turned = render(8, dials=signs.Dials.clean(**{dial: 1.0}), seed=9).images
    assert (calm - turned).abs().mean() > 0.005


# -- light: what cameras and weather do, in stops (factors of 2 of light; a pixel is light to the power 1/2.2) --------


def brightness(**dials):
    """The mean pixel of each of many scenes."""
    return render([0, 4, 8, 16] * 80, size=32, seed=11, dials=signs.Dials(**dials)).images.mean(dim=(1, 2, 3))


def stops_between(darker, brighter):
    return 2.2 * (brighter / darker).log2()


def test_light_spans_as_many_stops_as_a_street_in_dusk_shade_and_sun():
    """Dusk alone takes up to five stops, metering four, sun from behind three: a tenth of scenes lies far apart."""
    calm = brightness(light=0.0)
    for dial, least in ((0.4, 2.8), (1.0, 5.8)):
        low, high = brightness(light=dial).quantile(torch.tensor([0.05, 0.95]))
        assert stops_between(low, high) > least
        assert stops_between(low, calm.median()) > 0.6 * least  # and more of it to the dark than to the bright
        assert high > calm.median()


def test_dusk_darkens_two_scenes_in_five_and_the_deeper_the_dial_stands():
    """Two missing stops leave a scene 2^(-2/2.2), a half of its brightness; five leave a fifth."""
    calm = brightness(light=0.0).median()
    for dial, darkest, half in ((0.4, 0.55, 0.83), (1.0, 0.22, 0.7)):
        twentieth, median = brightness(light=dial).quantile(torch.tensor([0.05, 0.5]))
        assert twentieth < darkest * calm
        assert median < half * calm


def test_a_dark_scene_keeps_its_sign():
    """Light dims what it shines on, by a factor: nothing is lost but in the sensor's noise."""
    calm, dim = (render([0] * 64, seed=3, dials=signs.Dials.clean(light=light)).images for light in (0.0, 1.0))
    spread = [picture.std(dim=(1, 2, 3)) / picture.mean(dim=(1, 2, 3)) for picture in (calm, dim)]
    assert spread[1].median() > 0.5 * spread[0].median()


def test_fog_takes_contrast_and_stops_count_by_powers_of_two():
    flat = render([0] * 600, seed=3, dials=signs.Dials.clean(light=1.0)).images
    contrast = flat.flatten(1).std(dim=1) / flat.flatten(1).mean(dim=1)
    assert contrast.quantile(0.01) < 0.4 * contrast.median()
    assert scenes.stops(torch.tensor([0.0, 2.2, -2.2])).tolist() == pytest.approx([1, 2, 0.5])


def test_no_light_dial_no_light_effect():
    """At light = 0 a sign without shadow keeps its paint's own white, whatever the street."""
    images = render([11] * 32, seed=6, dials=signs.Dials.clean(clutter=0.7))
    middle = images.images[..., 28:36, 28:36]  # the white of "no vehicles"
    white = drawings.WHITE[1] / 255
    assert (middle.mean(dim=(1, 2, 3)) - white).abs().max() < 0.05


def test_noise_is_noise_and_blur_is_blur():
    def roughness(**dials):
        images = render(64, dials=signs.Dials.clean(**dials), seed=9).images
        return (images[..., 1:] - images[..., :-1]).abs().mean().item()

    assert roughness(blur=1.0) < 0.8 * roughness() < 0.8 * roughness(noise=1.0)


def test_a_larger_picture_shows_the_same_world():
    """Poses do not depend on the size, and neither does how much of the picture the signs fill."""
    small, large = (render([3] * 32, size=size, seed=4, dials=signs.Dials.clean(distance=0.5)) for size in (64, 192))
    assert (small.masks.mean() / large.masks.mean() - 1).abs() < 0.02


def test_no_two_signs_look_alike():
    drawn = [drawings.draw(sign.number, 48) for sign in signs.CLASSES]
    for i, first in enumerate(drawn):
        for second in drawn[:i]:
            assert np.abs(first - second).max() > 0.5


def test_left_and_right_mirror_each_other():
    names = signs.CLASS_NAMES
    for right, left in (("right ahead", "left ahead"), ("keep right", "keep left")):
        pair = [drawings.draw(signs.CLASSES[names.index(name)].number, 64) for name in (right, left)]
        assert np.abs(pair[0] - pair[1][..., ::-1]).mean() < 0.01


def test_every_variant_of_a_sign_is_drawn_differently():
    drawn = [drawings.draw(14, 64, drawings.Make.variant(v)) for v in range(drawings.VARIANTS)]
    assert len({picture.tobytes() for picture in drawn}) == drawings.VARIANTS


def test_scenes_can_be_picked_and_moved():
    scenes = render(5)
    assert len(scenes[2]) == 1
    assert torch.equal(scenes[1:3].images, scenes.images[1:3])
    assert scenes.to("cpu").images.device.type == "cpu"


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (0, "at least one scene"),
        (-3, "at least one scene"),
        ([20], "0 to 19"),
        ([-1], "0 to 19"),
        ([], "number of scenes"),
        ([1.5], "number of scenes"),
        (True, "number of scenes"),
        (torch.zeros(2, 2, dtype=torch.long), "number of scenes"),
    ],
)
def test_wrong_labels_are_refused_in_one_sentence(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        render(labels)


@pytest.mark.parametrize("size", [31, 513, 64.0, "64"])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match="from 32 to 512"):
        render(1, size=size)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "high"])
def test_a_dial_out_of_range_is_refused_by_its_name(value):
    with pytest.raises(ValueError, match="'blur' runs from 0"):
        signs.Dials(blur=value)
