"""FGSM and PGD: torchattacks and foolbox as oracles, the network kept, a sentence for every mistake."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils.adversarial.apgd import apgd, apgd_ensemble
from course_utils.adversarial.balls import L1, L2, Linf
from course_utils.adversarial.losses import dlr, margin, targeted_dlr
from course_utils.adversarial.pgd import Step, best_restart, collect, fgsm, loss_and_gradient, pgd, pgd_steps
from course_utils.runtime import generator

CLASSES = 4
ROUNDING = 1e-6
PATTERNS = torch.rand(CLASSES, 3, 12, 12, generator=generator(3))


def examples(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A toy task: which of four faint patterns hides in the noise?"""
    draw = generator(seed)
    labels = torch.randint(CLASSES, (count,), generator=draw)
    images = 0.5 + 0.2 * (PATTERNS[labels] - 0.5) + 0.12 * torch.randn(count, 3, 12, 12, generator=draw)
    return images.clamp(0, 1), labels


def small_network() -> nn.Sequential:
    """Everything that a careless attack changes: running statistics, dropout, an in-place ReLU."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(16 * 6 * 6, CLASSES),
    )


@pytest.fixture(scope="session")
def trained() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = small_network()
        for batch in range(60):
            images, labels = examples(64, seed=batch)
            loss = nn.functional.cross_entropy(network(images), labels)
            slopes = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for parameter, slope in zip(network.parameters(), slopes, strict=True):
                    parameter -= 0.1 * slope
    return network.eval()


@pytest.fixture
def network(trained) -> nn.Module:
    """A copy for each test, so that none can spoil it for the next."""
    return copy.deepcopy(trained)


@pytest.fixture(scope="session")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return examples(200, seed=1000)


def test_the_toy_network_is_worth_attacking(network, batch):
    images, labels = batch
    assert (network(images).argmax(1) == labels).float().mean() > 0.95


# The peers as oracles


def same_path(ours, images, labels, attack_of_steps):
    """Compare the trajectory, point by point, with a peer's attack of 1, 2, ... steps."""
    for step in ours:
        theirs = images if step.index == 0 else attack_of_steps(step.index)(images, labels)
        torch.testing.assert_close(step.images, theirs, rtol=0, atol=ROUNDING)


def targeted(attack):
    attack.set_mode_targeted_by_function(lambda images, labels: (labels + 1) % CLASSES)
    return attack


@pytest.mark.parametrize("aim", ["untargeted", "targeted"])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_pgd_walks_the_path_of_torchattacks(network, batch, norm, aim):
    """In double precision, where no rounding turns a step; in L2 far from the walls, where theirs is exact."""
    torchattacks = pytest.importorskip("torchattacks")
    network, images, labels = network.double(), batch[0][:32].double(), batch[1][:32]
    if norm == "L2":
        images = 0.2 + 0.6 * images
    ball = Linf(0.05) if norm == "Linf" else L2(0.7)
    eta = ball.epsilon / 4

    def attack_of_steps(steps):
        how = {"eps": ball.epsilon, "alpha": eta, "steps": steps, "random_start": False}
        if norm == "Linf":
            attack = torchattacks.PGD(network, **how)
        else:
            attack = torchattacks.PGDL2(network, **how, eps_for_division=0)
        return targeted(attack) if aim == "targeted" else attack

    targets = (labels + 1) % CLASSES if aim == "targeted" else None
    ours = pgd_steps(network, images, labels, ball=ball, step_size=eta, steps=6, targets=targets, random_start=False)
    same_path(ours, images, labels, attack_of_steps)


def test_fgsm_equals_torchattacks(network, batch):
    torchattacks = pytest.importorskip("torchattacks")
    images, labels = batch
    theirs = torchattacks.FGSM(network, eps=0.03)(images, labels)
    torch.testing.assert_close(fgsm(network, images, labels, 0.03), theirs, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_pgd_succeeds_as_often_as_foolbox(network, batch, norm):
    foolbox = pytest.importorskip("foolbox")
    images, labels = batch
    ball, theirs = (Linf(0.02), foolbox.attacks.LinfPGD) if norm == "Linf" else (L2(0.3), foolbox.attacks.L2PGD)
    ours = pgd(network, images, labels, ball=ball, step_size=ball.epsilon / 10, steps=20)
    attack = theirs(abs_stepsize=ball.epsilon / 10, steps=20, random_start=True)
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, _, fooled = attack(model, images, labels, epsilons=ball.epsilon)
    share = fooled.float().mean().item()
    assert 0.1 < share < 0.95, "the comparison says nothing where every attack wins, or none"
    binomial_error = math.sqrt(share * (1 - share) / len(images))
    assert ours.success.float().mean().item() >= share - 2 * binomial_error


def test_one_full_step_of_pgd_is_fgsm(network, batch):
    images, labels = batch
    attack = pgd(network, images, labels, ball=Linf(0.03), step_size=0.03, steps=1, random_start=False)
    assert attack.images.equal(fgsm(network, images, labels, 0.03))


def test_the_raw_step_is_the_slides_formula(network, batch):
    images, labels = batch
    start, after = pgd_steps(
        network, images, labels, ball=L2(1), step_size=0.1, steps=1, random_start=False, step="raw"
    )
    _, _, gradient = loss_and_gradient(network, images, labels)
    expected = L2(1).project(images + 0.1 * gradient, images)
    assert start.images.equal(images)
    torch.testing.assert_close(after.images, expected)


# What every attack promises


@given(
    norm=st.sampled_from([Linf, L2, L1]),
    epsilon=st.floats(0, 1),
    step_size=st.floats(0, 1),
    steps=st.integers(1, 4),
    random_start=st.booleans(),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from(["cross-entropy", "margin"]),
    early_stop=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_pgd_never_leaves_the_ball_nor_the_box(
    trained, norm, epsilon, step_size, steps, random_start, seed, loss, early_stop
):
    images, labels = examples(4, seed)
    ball, count = norm(epsilon), 0
    rounding = 20 * ROUNDING if norm is L1 else ROUNDING  # 432 numbers of single precision, added up
    for step in pgd_steps(
        trained,
        images,
        labels,
        ball=ball,
        step_size=step_size,
        steps=steps,
        random_start=random_start,
        seed=seed,
        loss=loss,
        early_stop=early_stop,
    ):
        assert step.index == count
        assert (ball.norm(step.images - images) <= epsilon + rounding).all()
        assert step.images.min() >= 0
        assert step.images.max() <= 1
        count += 1
    assert count == steps + 1


@pytest.mark.parametrize("ball", [Linf(0), L2(0), L1(0)])
def test_epsilon_zero_changes_nothing(network, batch, ball):
    images, labels = batch
    attack = pgd(network, images, labels, ball=ball, step_size=0.1, steps=3)
    assert attack.images.equal(images)
    assert attack.distance.eq(0).all()
    assert attack.success.equal(network(images).argmax(1) != labels)


def test_untargeted_pgd_raises_the_loss_and_fools(network, batch):
    images, labels = batch
    attack = pgd(network, images, labels, ball=Linf(0.06), step_size=0.01, steps=10)
    assert (attack.losses[-1] > attack.losses[0]).float().mean() > 0.95
    assert attack.success.float().mean() > 0.9


def test_targeted_pgd_lowers_the_targets_loss_and_reaches_it(network, batch):
    images, labels = batch
    targets = (labels + 2) % CLASSES
    attack = pgd(network, images, labels, ball=Linf(0.1), step_size=0.01, steps=20, targets=targets)
    assert (attack.losses[-1] < attack.losses[0]).all()
    assert attack.success.equal(network(attack.images).argmax(1) == targets)
    assert attack.success.float().mean() > 0.9


def test_an_attack_tells_what_it_did(network, batch):
    images, labels = batch
    ball = L2(0.5)
    attack = pgd(network, images, labels, ball=ball, step_size=0.1, steps=5)
    with torch.no_grad():
        logits = network(attack.images)
    torch.testing.assert_close(attack.logits, logits, rtol=1e-4, atol=1e-4)
    assert attack.success.equal(attack.logits.argmax(1) != labels)
    assert attack.distance.equal(ball.norm(attack.images - images))
    assert attack.losses.shape == (6, len(images))
    torch.testing.assert_close(attack.losses[-1], nn.functional.cross_entropy(attack.logits, labels, reduction="none"))
    assert attack.labels.equal(labels)
    assert attack.targets is None


def test_a_pictures_attack_does_not_depend_on_its_neighbours(network, batch):
    images, labels = batch
    how = {"ball": L2(0.5), "step_size": 0.1, "steps": 3, "random_start": False}
    together = pgd(network, images[:8], labels[:8], **how)
    alone = pgd(network, images[:1], labels[:1], **how)
    torch.testing.assert_close(together.images[:1], alone.images, rtol=0, atol=1e-5)


def test_each_picture_can_have_its_own_epsilon_and_step(network, batch):
    images, labels = (part[:3] for part in batch)
    epsilon = torch.tensor([0.0, 0.02, 0.2])
    attack = pgd(network, images, labels, ball=Linf(epsilon), step_size=epsilon / 2, steps=4)
    assert attack.distance.tolist() == pytest.approx(epsilon.tolist(), abs=ROUNDING)
    assert Linf(epsilon).norm(fgsm(network, images, labels, epsilon) - images).tolist() == pytest.approx(
        epsilon.tolist(), abs=ROUNDING
    )


def test_equal_seeds_give_equal_attacks(network, batch):
    images, labels = batch
    one, same, other = (
        pgd(network, images, labels, ball=Linf(0.05), step_size=0.01, steps=2, seed=seed) for seed in (1, 1, 2)
    )
    assert one.images.equal(same.images)
    assert not one.images.equal(other.images)


@pytest.mark.parametrize("shift", [None, 1], ids=["untargeted", "targeted"])
def test_the_best_restart_is_a_success_where_there_is_one(network, batch, shift):
    """As the lab asks: one picture, stacked upon itself."""
    ranks = []
    for row in range(20):
        images, label = batch[0][row : row + 1].repeat(6, 1, 1, 1), batch[1][row : row + 1]
        target = None if shift is None else (label + shift) % CLASSES
        stacked = None if target is None else target.repeat(6)
        how = {"ball": Linf(0.02), "step_size": 0.01, "steps": 2, "seed": row}
        *_, last = pgd_steps(network, images, label.repeat(6), targets=stacked, **how)
        answers = last.logits.argmax(1)
        fooled = answers != label if target is None else answers == target  # [6]
        ahead = best_restart(last, label, target)
        assert ahead.shape == (1,)
        assert bool(fooled[ahead]) == bool(fooled.any())
        rivals = last.loss[fooled] if fooled.any() else last.loss
        assert last.loss[ahead] == (rivals.amax() if target is None else rivals.amin())
        ranks.append(bool(fooled.any() and not fooled.all()))
    assert any(ranks), "the comparison says nothing where every restart wins, or none"


def test_a_success_beats_a_failure_of_a_higher_loss():
    """One picture of class 0, in two restarts and over two steps; the failure has the higher loss each time."""
    label = torch.tensor([0])
    fooled, sure = torch.tensor([1.0, 1.1, 0.0]), torch.tensor([1.0, 0.9, 0.9])
    step = Step(0, torch.tensor([0.1, 0.2]).view(2, 1, 1, 1), torch.tensor([5.0, 1.0]), torch.stack([sure, fooled]))
    later = Step(1, step.images + 0.5, torch.tensor([9.0, 9.0]), torch.stack([sure, sure]))
    assert best_restart(step, label, None).tolist() == [1]
    assert best_restart(later, label, None).tolist() == [0]
    images, labels = torch.zeros(2, 1, 1, 1), label.repeat(2)
    best = collect(iter([step, later]), images, labels, None, Linf(1), best=True)
    assert best.success.tolist() == [False, True]
    assert best.images.flatten().tolist() == pytest.approx([0.6, 0.2])
    last = collect(iter([step, later]), images, labels, None, Linf(1))
    assert not last.success.any()
    assert last.images.flatten().tolist() == pytest.approx([0.6, 0.7])


# The path, and what later papers added


@pytest.mark.parametrize("ball", [Linf(0.05), L2(0.7), L1(6.0)], ids=["Linf", "L2", "L1"])
def test_the_path_is_told_step_by_step(network, batch, ball):
    images, labels = batch[0][:16], batch[1][:16]
    how = {"ball": ball, "step_size": ball.epsilon / 4, "steps": 5, "seed": 2}
    attack, path = pgd(network, images, labels, **how), list(pgd_steps(network, images, labels, **how))
    assert attack.losses.equal(torch.stack([step.loss for step in path]))
    assert attack.images.equal(path[-1].images)


def test_pgd_is_the_loop_of_the_slides_to_the_bit(network, batch):
    """The loop of the slides, written out."""
    images, labels = batch
    x = Linf(0.05).random_start(images, generator(3))
    for _ in range(4):
        asked = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(network(asked), labels, reduction="sum"), asked)
        x = (x + 0.02 * gradient.sign()).clamp((images - 0.05).clamp(min=0), (images + 0.05).clamp(max=1))
    attack = pgd(network, images, labels, ball=Linf(0.05), step_size=0.02, steps=4, seed=3)
    assert attack.images.equal(x)


@pytest.mark.parametrize("shift", [None, 1], ids=["untargeted", "targeted"])
def test_the_best_point_of_a_path_is_kept_when_it_is_asked_for(network, batch, shift):
    """Steps that are far too long jump over the hole; the path knew it all the same."""
    images, labels = batch
    targets = None if shift is None else (labels + shift) % CLASSES
    how = {"ball": L2(0.4), "step_size": 0.5, "steps": 6, "targets": targets, "seed": 1}
    path = list(pgd_steps(network, images, labels, **how))
    last, best = (collect(iter(path), images, labels, targets, how["ball"], best=wanted) for wanted in (False, True))
    answers = torch.stack([step.logits.argmax(1) for step in path])  # [7, N]
    ever = (answers != labels if targets is None else answers == targets).any(0)
    assert best.success.equal(ever)
    assert (best.success | ~last.success).all()
    assert last.images.equal(path[-1].images)
    assert best.losses.equal(last.losses)
    strongest = best.losses.amax(0) if targets is None else best.losses.amin(0)
    loss = nn.functional.cross_entropy(best.logits, labels if targets is None else targets, reduction="none")
    won = torch.stack([step.logits.argmax(1) != labels for step in path]) if targets is None else answers == targets
    undecided = won.all(0) | ~won.any(0)  # there the loss alone decides
    torch.testing.assert_close(loss[undecided], strongest[undecided], rtol=1e-4, atol=1e-4)


def test_early_stop_asks_less_and_finds_as_much(network, batch):
    images, labels = batch
    asked = []
    network[0].register_forward_hook(lambda layer, inputs, output: asked.append(len(output)))
    how = {"ball": Linf(0.06), "step_size": 0.01, "steps": 10, "seed": 4}
    whole = pgd(network, images, labels, **how)
    all_of_it = sum(asked)
    asked.clear()
    path = list(pgd_steps(network, images, labels, early_stop=True, **how))
    assert sum(asked) < 0.7 * all_of_it
    spared, predictions = pgd(network, images, labels, early_stop=True, **how), [s.logits.argmax(1) for s in path]
    assert (spared.success | ~whole.success).all()
    assert spared.losses.shape == whole.losses.shape
    for row in spared.success.nonzero()[:, 0].tolist():  # from the first success on, the picture stands still
        first = next(index for index, answers in enumerate(predictions) if answers[row] != labels[row])
        assert all(step.images[row].equal(path[first].images[row]) for step in path[first:])
        assert spared.losses[first:, row].tolist() == pytest.approx([float(spared.losses[first, row])] * (11 - first))
    standing = ~whole.success
    torch.testing.assert_close(spared.images[standing], whole.images[standing], rtol=0, atol=0.011)


class Loud(nn.Module):
    """The same answers, a hundred thousand times as sure: the probability of the label rounds to 1."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images):
        return 1e5 * self.body(images)


def test_the_margin_sees_through_a_gradient_that_has_vanished(network, batch):
    images, labels = batch
    loud, how = Loud(network), {"ball": Linf(0.06), "step_size": 0.01, "steps": 10, "random_start": False}
    blind = pgd(loud, images, labels, **how)
    seeing = pgd(loud, images, labels, loss="margin", **how)
    assert blind.success.float().mean() < 0.2
    assert seeing.success.float().mean() > 0.9


def test_the_losses_say_what_their_papers_say():
    logits = torch.tensor([[2.0, 5.0, -1.0, 3.0], [4.0, 1.0, 0.0, 2.0]])
    labels, towards = torch.tensor([1, 3]), torch.tensor([3, 0])
    assert margin(logits, labels).tolist() == [3 - 5, 4 - 2]
    assert dlr(logits, labels).tolist() == pytest.approx([-2 / 3, 2 / 3])
    assert targeted_dlr(logits, labels, towards).tolist() == pytest.approx([-2 / (5 - 0.5), 2 / (4 - 0.5)])
    assert dlr(7 * logits, labels).tolist() == pytest.approx([-2 / 3, 2 / 3])
    with pytest.raises(ValueError, match="the DLR compares 3 classes, and this network has 2"):
        dlr(logits[:, :2], labels % 2)


# The network and the world are left as they were


def fingerprint(network: nn.Module) -> dict:
    """All that an attack could change."""
    return {
        "modes": [module.training for module in network.modules()],
        "wanted": [parameter.requires_grad for parameter in network.parameters()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in network.parameters()],
        "weights and statistics": {name: value.tolist() for name, value in network.state_dict().items()},
        "hooks": [len(module._forward_hooks) + len(module._backward_hooks) for module in network.modules()],
        "random state": torch.get_rng_state().tolist(),
        "gradients wanted": torch.is_grad_enabled(),
    }


@pytest.fixture
def peculiar(network, batch) -> nn.Module:
    """A network in the middle of somebody's work: training, one layer frozen, gradients collected."""
    images, labels = batch
    network.train()
    network[1].eval()
    network[0].weight.requires_grad_(False)
    nn.functional.cross_entropy(network(images), labels).backward()
    return network


ATTACKS = {
    "fgsm": lambda network, images, labels: fgsm(network, images, labels, 0.03),
    "pgd": lambda network, images, labels: pgd(
        network, images, labels, ball=Linf(0.03), step_size=0.01, steps=3
    ),
    "targeted L2 pgd": lambda network, images, labels: pgd(
        network, images, labels, ball=L2(0.3), step_size=0.1, steps=3, targets=(labels + 1) % CLASSES
    ),
    "all that is new": lambda network, images, labels: pgd(
        network, images, labels, ball=L1(3.0), step_size=1.0, steps=3, loss="margin", early_stop=True
    ),
    "apgd": lambda network, images, labels: apgd(network, images, labels, ball=L2(0.3), steps=6),
    "ensemble": lambda network, images, labels: apgd_ensemble(network, images, labels, ball=Linf(0.01), steps=4),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_network_is_left_as_it_was(peculiar, batch, attack):
    images, labels = (part[:8].clone() for part in batch)
    before, pixels = fingerprint(peculiar), images.clone()
    attack(peculiar, images, labels)
    assert fingerprint(peculiar) == before
    assert images.equal(pixels)


class Moody(nn.Module):
    """Answers a few times, then raises."""

    def __init__(self, body: nn.Module, patience: int) -> None:
        super().__init__()
        self.body, self.patience = body, patience

    def forward(self, images):
        self.patience -= 1
        if self.patience < 0:
            raise RuntimeError("enough")
        return self.body(images)


@pytest.mark.parametrize("patience", range(4))
def test_the_network_is_left_as_it_was_after_an_error(peculiar, batch, patience):
    images, labels = (part[:8] for part in batch)
    moody = Moody(peculiar, patience)
    before = fingerprint(moody)
    with pytest.raises(RuntimeError, match="enough"):
        pgd(moody, images, labels, ball=Linf(0.03), step_size=0.01, steps=3)
    assert fingerprint(moody) == before


def test_the_network_is_as_it_was_at_every_step_and_after_leaving(peculiar, batch):
    images, labels = (part[:8] for part in batch)
    before = fingerprint(peculiar)
    path = pgd_steps(peculiar, images, labels, ball=Linf(0.03), step_size=0.01, steps=9)
    assert fingerprint(peculiar) == before, "before the first step"
    for step in path:
        assert fingerprint(peculiar) == before, f"at step {step.index}"
        assert not any(part.requires_grad for part in (step.images, step.loss, step.logits))
        if step.index == 4:
            break
    path.close()
    assert fingerprint(peculiar) == before, "after leaving"


def test_the_network_may_be_used_between_two_steps(network, batch):
    """A second attack walks along, somebody trains the network: the attack goes the same way."""
    images, labels = (part[:8] for part in batch)
    how = {"ball": Linf(0.03), "step_size": 0.01, "steps": 4}
    undisturbed = [step.images for step in pgd_steps(network, images, labels, **how)]
    other = pgd_steps(network, images, labels, **how)
    statistics = network.state_dict()
    for step in pgd_steps(network, images, labels, **how):
        assert step.images.equal(undisturbed[step.index])
        next(other)
        kept_statistics = {name: value.clone() for name, value in statistics.items()}
        network.train()
        network(images).sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
        network.load_state_dict(kept_statistics)
        assert network.training
    assert network.training


def test_attacks_work_where_gradients_are_switched_off(network, batch):
    images, labels = (part[:8] for part in batch)
    expected = fgsm(network, images, labels, 0.03)
    with torch.no_grad():
        assert fgsm(network, images, labels, 0.03).equal(expected)
        pgd(network, images, labels, ball=Linf(0.03), step_size=0.01, steps=2)
        assert not torch.is_grad_enabled()


def test_pictures_that_want_gradients_stay_as_they_are(network, batch):
    images, labels = batch[0][:8].clone().requires_grad_(), batch[1][:8]
    attack = pgd(network, images, labels, ball=L2(0.3), step_size=0.1, steps=2)
    assert images.grad is None
    assert images.requires_grad
    assert not attack.images.requires_grad


def test_step_zero_is_no_window_into_the_callers_pictures(network, batch):
    images, labels = (part[:4].clone() for part in batch)
    before = images.clone()
    first = next(pgd_steps(network, images, labels, ball=Linf(0.1), step_size=0.1, random_start=False))
    first.images.zero_()
    assert images.equal(before)


def test_double_precision_stays_double(network, batch):
    images, labels = batch[0][:4].double(), batch[1][:4]
    attack = pgd(network.double(), images, labels, ball=L2(0.3), step_size=0.1, steps=2)
    assert attack.images.dtype == torch.float64
    assert (attack.distance <= 0.3 + 1e-12).all()


# A sentence for every mistake

GOOD = {"ball": Linf(0.03), "step_size": 0.01, "steps": 2}
IMAGES, LABELS = examples(3, seed=7)
MISTAKES = {
    "one picture": ({"images": IMAGES[0]}, ValueError, r"batch \[N, C, H, W\].*image\[None\]"),
    "no picture": ({"images": IMAGES[:0]}, ValueError, "at least one picture"),
    "an array": ({"images": IMAGES.numpy()}, TypeError, "images must be a tensor.*got ndarray"),
    "integers": ({"images": (255 * IMAGES).byte()}, TypeError, r"got torch.uint8, so divide by 255"),
    "0 to 255": ({"images": 255 * IMAGES}, ValueError, r"pixels must lie in \[0, 1\].*divide by 255"),
    "normalised": ({"images": IMAGES - 0.5}, ValueError, r"pixels must lie in \[0, 1\].*do not normalise"),
    "NaN": ({"images": IMAGES / 0 * 0}, ValueError, "images holds NaN"),
    "labels as list": ({"labels": LABELS.tolist()}, TypeError, "labels must be a tensor of whole.*got list"),
    "labels as floats": ({"labels": LABELS.float()}, TypeError, "whole numbers.*got torch.float32"),
    "labels too few": ({"labels": LABELS[:2]}, ValueError, r"labels must have shape \[3\].*got \[2\]"),
    "label too large": ({"labels": LABELS + 99}, ValueError, "no class of this network; it knows 0 to 3"),
    "label negative": ({"labels": LABELS - 9}, ValueError, "label -.* is no class of this network"),
    "target too large": ({"targets": LABELS + 4}, ValueError, "target . is no class of this network"),
    "target is label": ({"targets": LABELS.clone()}, ValueError, r"targets\[0\] is .*choose another class"),
    "targets too few": ({"targets": LABELS[:2]}, ValueError, r"targets must have shape \[3\]"),
    "targets as list": ({"targets": [1, 2, 3]}, TypeError, "targets must be a tensor of whole numbers"),
    "ball a number": ({"ball": 0.03}, TypeError, r"Linf\(8/255\); got 0.03"),
    "two radii": ({"ball": Linf(torch.tensor([0.1, 0.2]))}, ValueError, "epsilon holds 2 numbers for 3"),
    "no steps": ({"steps": 0}, ValueError, "steps must be at least 1; got 0"),
    "half a step": ({"steps": 1.5}, TypeError, "steps must be a whole number.*got 1.5"),
    "step_size in 255": ({"step_size": 2}, ValueError, "step_size must lie in.*Did you mean 2/255"),
    "step_size negative": ({"step_size": -0.1}, ValueError, "step_size must lie in.*got -0.1"),
    "step_size NaN": ({"step_size": math.nan}, ValueError, "step_size must.*got nan"),
    "two step sizes": ({"step_size": torch.ones(2)}, ValueError, "step_size holds 2 numbers for 3 pictures"),
    "unknown step": ({"step": "sgn"}, ValueError, "step must be 'sign'.*or 'raw'.*got 'sgn'"),
    "unknown loss": (
        {"loss": "hinge"},
        ValueError,
        "there is no loss 'hinge'; choose one of 'cross-entropy', 'margin'",
    ),
    "seed": ({"seed": 0.5}, TypeError, "a seed is a whole number"),
    "network": ({"network": torch.relu}, TypeError, "network must be a torch.nn.Module"),
    "feature maps": ({"network": nn.Conv2d(3, 4, 1)}, TypeError, r"logits \[N, classes\]; got \[1, 4, 12, 12\]"),
}


@pytest.mark.parametrize(("mistake", "error", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_its_sentence(network, mistake, error, words):
    """At the call, not at the first step."""
    arguments = {"network": network, "images": IMAGES, "labels": LABELS, **GOOD, **mistake}
    before = fingerprint(network)
    with pytest.raises(error, match=words):
        pgd_steps(**arguments)
    with pytest.raises(error, match=words):
        pgd(**arguments)
    assert fingerprint(network) == before


@pytest.mark.parametrize(
    ("epsilon", "words"), [(8, "Did you mean 8/255"), (-1, "got -1"), (math.nan, "got nan"), (torch.ones(2), "holds 2")]
)
def test_fgsm_refuses_a_bad_epsilon(network, epsilon, words):
    with pytest.raises(ValueError, match=words):
        fgsm(network, IMAGES, LABELS, epsilon)


def test_a_network_that_answers_nan_is_no_success(network):
    network[-1].bias.data.fill_(math.nan)
    with pytest.raises(ValueError, match="the network answered with NaN or infinity"):
        pgd(network, IMAGES, LABELS, **GOOD)


@pytest.mark.parametrize(
    ("attack", "ball"),
    [(pgd, Linf(8 / 255)), (pgd, L2(0.5)), (pgd, L1(10.0)), (apgd, Linf(8 / 255)), (apgd, L2(0.5))],
)
def test_a_network_that_answers_with_nan_is_told_in_every_ball(attack, ball):
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    nn.init.constant_(network[1].weight, float("nan"))
    how = {"step_size": ball.epsilon / 4} if attack is pgd else {}
    with pytest.raises(ValueError, match="answered with NaN or infinity"):
        attack(network, torch.rand(2, 3, 4, 4), torch.tensor([0, 1]), ball=ball, steps=3, **how)
