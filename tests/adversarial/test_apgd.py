"""APGD: the paper's rules step by step, no step size to choose, and the ensemble of its losses."""

import copy
import math
import sys
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils.adversarial.apgd import _Judged, apgd, apgd_ensemble, apgd_steps, attack_radius, checkpoints
from course_utils.adversarial.balls import L1, L2, Linf
from course_utils.adversarial.pgd import collect, pgd_steps
from course_utils.runtime import generator

CLASSES, ROUNDING = 5, 5e-6


def curved_network(seed: int = 0, classes: int = CLASSES) -> nn.Module:
    """Small, smooth and full of bends, so that a step that is too long is punished."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Flatten(), nn.Linear(48, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        network.append(nn.Linear(64, classes))
    for layer in (network[1], network[3], network[5]):
        layer.weight.data.mul_(4)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return curved_network()


@pytest.fixture(scope="module")
def batch(network) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures, and what the network reads in them, so that every one of them is to be fooled."""
    images = torch.rand(60, 3, 4, 4, generator=generator(1))
    return images, network(images).argmax(1)


def test_the_checkpoints_are_those_of_the_paper():
    """w_j = ⌈p_j N⌉ with p₁ = 0.22 and periods that shrink by 0.03 down to 0.06."""
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert all(0 < w <= 1 for w in checkpoints(1))


def one_picture_by_hand(network, x, label, epsilon, steps):
    """Algorithm 1 for one picture in plain Python, L∞, without a random start."""

    def loss(z):
        asked = z.clone().requires_grad_()
        value = nn.functional.cross_entropy(network(asked), label)
        return value.item(), torch.autograd.grad(value, asked)[0]

    def inside(z):
        return z.clamp(x - epsilon, x + epsilon).clamp(0, 1)

    eta, path = 2 * epsilon, [x]
    f, g = loss(x)
    values, best, best_x, best_g = [f], f, x, g
    then, halved, begin, gained = f, True, 0, 0
    now, before, last = x, x, f
    for k in range(1, steps + 1):
        z = inside(now + eta * g.sign())
        new = z if k == 1 else inside(now + 0.75 * (z - now) + 0.25 * (now - before))
        before, now = now, new
        path.append(now)
        f, g = loss(now)
        values.append(f)
        gained += f > last
        last = f
        if f > best:
            best, best_x, best_g = f, now, g
        if k in checkpoints(steps):
            if gained < 0.75 * (k - begin) or (not halved and then == best):
                eta, now, g, last, halved = eta / 2, best_x, best_g, best, True
            else:
                halved = False
            then, begin, gained = best, k, 0
    return path, values


def test_every_picture_walks_as_algorithm_1_says(network, batch):
    """Twelve pictures at once, each with checkpoints of its own, against one after the other by hand."""
    network, images, labels = copy.deepcopy(network).double(), batch[0][:12].double(), batch[1][:12]
    path = list(apgd_steps(network, images, labels, ball=Linf(0.08), steps=40, random_start=False))
    for row in range(12):
        places, values = one_picture_by_hand(network, images[row : row + 1], labels[row : row + 1], 0.08, 40)
        assert [step.loss[row].item() for step in path] == pytest.approx(values, rel=1e-6, abs=1e-9)
        torch.testing.assert_close(torch.stack([step.images[row] for step in path]), torch.cat(places))


def test_steps_that_were_just_halved_are_not_halved_again_for_a_best_that_stays():
    """Condition 2 of algorithm 1: the loss climbs at every step, and never as high as it once was."""
    picture = torch.zeros(1, 3, 2, 2)
    judged = _Judged(picture, torch.tensor([10.0]), picture, torch.tensor([1.0]))
    sizes = []
    for _ in range(4):  # checkpoints; the first counts as if the steps had just been halved
        for height in range(5):
            judged.see(picture, torch.tensor([float(height)]), picture)
        judged.halve_where_stalled()
        sizes.append(judged.step_size.item())
    assert sizes == [1.0, 0.5, 0.5, 0.25]


@given(
    kind=st.sampled_from([Linf, L2]),
    epsilon=st.floats(0, 1),
    steps=st.integers(1, 9),
    loss=st.sampled_from(["cross-entropy", "margin", "dlr"]),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=30)
def test_apgd_never_leaves_the_ball_nor_the_box(network, kind, epsilon, steps, loss, seed):
    images = torch.rand(4, 3, 4, 4, generator=generator(seed))
    ball, count = kind(epsilon), 0
    for step in apgd_steps(network, images, torch.arange(4), ball=ball, steps=steps, loss=loss, seed=seed):
        assert step.index == count
        assert (ball.norm(step.images - images) <= epsilon + ROUNDING).all()
        assert 0 <= step.images.min() <= step.images.max() <= 1
        count += 1
    assert count == steps + 1


def test_apgd_keeps_the_best_point_of_its_path(network, batch):
    images, labels = batch
    attack = apgd(network, images, labels, ball=Linf(0.02), steps=20)
    path = list(apgd_steps(network, images, labels, ball=Linf(0.02), steps=20))
    ever = torch.stack([step.logits.argmax(1) for step in path]).ne(labels).any(0)
    assert attack.success.equal(ever)
    assert 0 < ever.float().mean() < 1
    loss = nn.functional.cross_entropy(attack.logits, labels, reduction="none")
    torch.testing.assert_close(loss[~ever], attack.losses.amax(0)[~ever], rtol=1e-4, atol=1e-4)


def test_where_a_chosen_step_size_is_wrong_apgd_needs_none(network, batch):
    """PGD with steps too long or too short climbs less; no step size was told to APGD."""
    images, labels = batch
    ball = Linf(0.03)
    ours = apgd(network, images, labels, ball=ball, steps=30, seed=1)
    how = {"ball": ball, "steps": 30, "seed": 1}
    paths = (pgd_steps(network, images, labels, step_size=factor * 0.03, **how) for factor in (0.002, 2.0))
    short, long = (collect(path, images, labels, None, ball, best=True) for path in paths)
    assert ours.success.sum() > short.success.sum() + 5
    assert ours.losses.amax(0).mean() > 1.2 * short.losses.amax(0).mean()
    assert ours.losses.amax(0).mean() > long.losses.amax(0).mean()


def test_a_targeted_apgd_reaches_its_target(network, batch):
    images, labels = batch
    targets = (labels + 2) % CLASSES
    attack = apgd(network, images, labels, ball=Linf(0.3), steps=30, targets=targets)
    assert attack.success.equal(network(attack.images).argmax(1) == targets)
    assert attack.success.float().mean() > 0.9


def test_the_ensemble_is_no_weaker_than_its_parts(network, batch):
    images, labels = batch
    labels = torch.where(torch.arange(60) < 3, (labels + 1) % CLASSES, labels)  # three are misread from the beginning
    ball = Linf(0.008)
    found = apgd_ensemble(network, images, labels, ball=ball, steps=20, seed=3)
    for number, loss in enumerate(("cross-entropy", "dlr")):
        alone = apgd(network, images, labels, ball=ball, steps=20, loss=loss, seed=3 + number)
        assert found.success.sum() >= alone.success.sum()
    assert 3 < found.success.sum() < 60
    assert (network(found.images).argmax(1) != labels).equal(found.success)
    assert (found.distance <= ball.epsilon + ROUNDING).all()
    assert found.images[~found.success].equal(images[~found.success])
    assert found.found_by[:3] == ("wrong without an attack",) * 3
    assert [bool(name) for name in found.found_by] == found.success.tolist()


def test_two_classes_are_enough_for_the_ensemble():
    network = curved_network(classes=2)
    images = torch.rand(8, 3, 4, 4, generator=generator(1))
    labels = network(images).argmax(1)
    assert apgd_ensemble(network, images, labels, ball=Linf(0.2), steps=10).success.any()


def test_the_attack_s_radius_is_where_it_begins_to_succeed(network, batch):
    images, labels = batch[0][:20], batch[1][:20].clone()
    labels[0] = (labels[0] + 1) % CLASSES
    radius = attack_radius(network, images, labels, kind=L2, largest=1.0, halvings=8, steps=20)
    assert radius[0] == 0
    assert radius.isfinite().all()
    how = {"steps": 20, "loss": "margin", "random_start": False}
    assert apgd(network, images, labels, ball=L2(radius * 1.02 + 1e-6), **how).success.float().mean() > 0.9
    assert apgd(network, images, labels, ball=L2(radius * 0.9), **how).success[1:].float().mean() < 0.25
    assert attack_radius(network, images, labels, largest=0.0, steps=2)[1:].isinf().all()


def test_a_picture_that_withstands_the_largest_ball_is_attacked_once(network, batch, monkeypatch):
    images, labels = batch[0][:12], batch[1][:12].clone()
    labels[0] = (labels[0] + 1) % CLASSES  # wrong from the beginning: its radius is 0 and needs no attack
    asked, attack = [], apgd
    monkeypatch.setattr(
        sys.modules["course_utils.adversarial.apgd"],
        "apgd",
        lambda _, x, *rest, **how: (asked.append(len(x)), attack(_, x, *rest, **how))[1],
    )
    radius = attack_radius(network, images, labels, largest=0.02, halvings=3, steps=5)
    fell = int((radius.isfinite() & (radius > 0)).sum())
    assert 0 < fell < 11
    assert asked == [11, fell, fell, fell]


def test_nobody_s_random_state_moves(network, batch):
    images, labels = batch
    before = torch.get_rng_state()
    one, same = (apgd_ensemble(network, images, labels, ball=Linf(0.01), steps=5, seed=7).images for _ in range(2))
    other = apgd(network, images, labels, ball=Linf(0.01), steps=2, seed=8).images
    assert one.equal(same)
    assert not other.equal(apgd(network, images, labels, ball=Linf(0.01), steps=2, seed=9).images)
    assert torch.get_rng_state().equal(before)


def test_the_loop_may_be_left_and_its_step_sizes_are_per_picture(network, batch, monkeypatch):
    seen = []
    whole = _Judged.halve_where_stalled
    monkeypatch.setattr(
        _Judged, "halve_where_stalled", lambda self: (seen.append(self.step_size.clone()), whole(self))[1]
    )
    for step in apgd_steps(network, *batch, ball=Linf(0.05), steps=30):
        if step.index == 29:
            break
    assert seen[0].unique().tolist() == pytest.approx([0.1])  # 2ε
    assert len(seen[-1].unique()) > 1
    assert all((after <= before).all() for before, after in pairwise(seen))


IMAGES, LABELS = torch.rand(3, 3, 4, 4, generator=generator(2)), torch.arange(3)
MISTAKES = {
    "ball a number": ({"ball": 0.03}, TypeError, r"L1\(epsilon\), as in Linf\(8/255\); got 0.03"),
    "ball without rules": (
        {"ball": L1(3.0)},
        TypeError,
        r"made for Linf\(epsilon\) and L2\(epsilon\); got L1.*attack it by pgd\.$",
    ),
    "no steps": ({"steps": 0}, ValueError, "steps must be at least 1; got 0"),
    "unknown loss": ({"loss": "ce"}, ValueError, "there is no loss 'ce'; choose one of"),
    "NaN": ({"images": IMAGES / 0 * 0}, ValueError, "images holds NaN"),
    "0 to 255": ({"images": 255 * IMAGES}, ValueError, r"pixels must lie in \[0, 1\]"),
    "integers": ({"images": (255 * IMAGES).byte()}, TypeError, "divide by 255"),
    "label too large": ({"labels": LABELS + 9}, ValueError, "no class of this network; it knows 0 to 4"),
}


@pytest.mark.parametrize(("mistake", "error", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_its_sentence(network, mistake, error, words):
    arguments = {"images": IMAGES, "labels": LABELS, "ball": Linf(0.1), **mistake}
    with pytest.raises(error, match=words):
        apgd_steps(network, arguments.pop("images"), arguments.pop("labels"), **arguments)


def test_more_mistakes_get_theirs(network):
    with pytest.raises(ValueError, match=r"targets\[0\] is 0, which is that picture's true label"):
        apgd(network, IMAGES, LABELS, ball=Linf(0.1), targets=LABELS)
    with pytest.raises(ValueError, match="takes one ε for all pictures"):
        apgd_ensemble(network, IMAGES, LABELS, ball=Linf(torch.full((3,), 0.1)))
    with pytest.raises(ValueError, match="Did you mean 8/255"):
        attack_radius(network, IMAGES, LABELS, largest=8)
    with pytest.raises(TypeError, match="APGD is made for"):
        attack_radius(network, IMAGES, LABELS, kind=L1, largest=3.0)
    with pytest.raises(TypeError, match="APGD is made for"):
        apgd_ensemble(network, IMAGES, LABELS, ball=L1(3.0))
    broken = copy.deepcopy(network)
    broken[-1].bias.data.fill_(math.nan)
    with pytest.raises(ValueError, match="the network answered with NaN"):
        apgd(broken, IMAGES, LABELS, ball=Linf(0.1), steps=2)
