"""The peers as judges, on networks that ship: as often successful at equal norm, ε and steps, and never outside."""

import json
import math
import sys

import pytest
import torch

from course_utils import runtime, signs, zoo
from course_utils.adversarial.apgd import apgd, apgd_ensemble
from course_utils.adversarial.balls import L1, L2, Linf
from course_utils.adversarial.pgd import pgd

STEPS, ROUNDING = 8, 1e-5
NETWORK = "signs-alexnet"  # the quickest of the four
BALLS = {"Linf": Linf(5 / 255), "L2": L2(0.9), "L1": L1(15.0)}
pytestmark = pytest.mark.skipif(NETWORK not in zoo.shipped(), reason="no trained network is stored yet")


@pytest.fixture(scope="module")
def network() -> zoo.PixelNetwork:
    return zoo.load(NETWORK, device="cpu").requires_grad_(False)


@pytest.fixture(scope="module")
def street() -> signs.Scenes:
    return signs.render(48, seed=5, device="cpu")


@pytest.fixture(scope="module")
def ours(network, street) -> dict[str, torch.Tensor]:
    """Our PGD in each norm: which scenes it fooled, [N]; its pictures are looked at here.

    All begin at the clean pictures. A uniform start lies near the ball's surface in L2, those of the peers nearer to
    the centre, and so few steps tell: of 300 scenes 35 % fell to ours and 38 % to torchattacks', from x 42 % to both.
    """
    fooled, how = {}, {"steps": STEPS, "random_start": False}
    for norm, ball in BALLS.items():
        attack = pgd(network, street.images, street.labels, ball=ball, step_size=ball.epsilon / 4, **how)
        stays_inside(ball, attack.images, street.images)
        fooled[norm] = attack.success
    return fooled


def stays_inside(ball, adversarial, clean) -> None:
    assert (ball.norm(adversarial - clean) <= ball.epsilon * (1 + ROUNDING)).all()
    assert 0 <= adversarial.min() <= adversarial.max() <= 1


def fooled_by(network, adversarial, street) -> torch.Tensor:
    with torch.no_grad():
        return network(adversarial).argmax(1) != street.labels  # [N]


def not_behind(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Whether we are as good, scene by scene: what only one of two attacks fools is a coin's toss if they are alike."""
    mine, other = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return other - mine <= 2 * math.sqrt(mine + other)  # two standard errors


def torchattacks_pgd(network, street, norm: str, ball) -> torch.Tensor:
    torchattacks = pytest.importorskip("torchattacks")
    how = {"eps": ball.epsilon, "alpha": ball.epsilon / 4, "steps": STEPS, "random_start": False}
    attack = {"Linf": torchattacks.PGD, "L2": torchattacks.PGDL2}[norm](network, **how)
    return attack(street.images, street.labels)


def foolbox_pgd(network, street, norm: str, ball) -> torch.Tensor:
    foolbox = pytest.importorskip("foolbox")
    attacks = foolbox.attacks
    kinds = {"Linf": attacks.LinfPGD, "L2": attacks.L2PGD, "L1": attacks.SparseL1DescentAttack}
    attack = kinds[norm](abs_stepsize=ball.epsilon / 4, steps=STEPS, random_start=False)
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    _, pictures, _ = attack(model, street.images, street.labels, epsilons=ball.epsilon)
    return pictures


def art_pgd(network, street, norm: str, ball) -> torch.Tensor:
    art = pytest.importorskip("art.attacks.evasion")
    from art.estimators.classification import PyTorchClassifier

    wrapped = PyTorchClassifier(
        model=network,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=tuple(street.images.shape[1:]),
        nb_classes=len(network.class_names),
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    attack = art.ProjectedGradientDescent(
        wrapped,
        norm={"Linf": math.inf, "L2": 2, "L1": 1}[norm],
        eps=ball.epsilon,
        eps_step=ball.epsilon / 4,
        max_iter=STEPS,
        num_random_init=0,
        batch_size=24,
        verbose=False,
    )
    return torch.from_numpy(attack.generate(street.images.numpy(), street.labels.numpy()))


PEERS = {
    "torchattacks, Linf": (torchattacks_pgd, "Linf"),
    "torchattacks, L2": (torchattacks_pgd, "L2"),
    "foolbox, Linf": (foolbox_pgd, "Linf"),
    "foolbox, L2": (foolbox_pgd, "L2"),
    "foolbox, L1": (foolbox_pgd, "L1"),
    "art, Linf": (art_pgd, "Linf"),
    "art, L2": (art_pgd, "L2"),
    "art, L1": (art_pgd, "L1"),
}


@pytest.mark.parametrize(("peer", "norm"), PEERS.values(), ids=PEERS)
def test_our_pgd_succeeds_as_often_as_a_peer_s(network, street, ours, peer, norm):
    with torch.random.fork_rng(devices=[]), runtime.kept(network):
        torch.manual_seed(0)
        theirs = fooled_by(network, peer(network, street, norm, BALLS[norm]), street)
    assert 0 < ours[norm].sum() < len(street), "the comparison says nothing where every attack wins, or none"
    assert not_behind(ours[norm], theirs)


@pytest.mark.parametrize("loss", ["ce", "dlr"])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_our_apgd_succeeds_as_often_as_torchattacks(network, street, norm, loss):
    torchattacks = pytest.importorskip("torchattacks")
    ball = BALLS[norm]
    name = {"ce": "cross-entropy", "dlr": "dlr"}[loss]
    mine = apgd(network, street.images, street.labels, ball=ball, steps=STEPS, loss=name)
    stays_inside(ball, mine.images, street.images)
    with torch.random.fork_rng(devices=[]), runtime.kept(network):  # theirs reseeds torch's own generator
        theirs = torchattacks.APGD(network, norm=norm, eps=ball.epsilon, steps=STEPS, loss=loss)
        found = fooled_by(network, theirs(street.images, street.labels), street)
    assert not_behind(mine.success, found)


def test_what_our_ensemble_leaves_standing_stands_against_apgdt_too(monkeypatch):
    """The robust network: their targeted APGD finds at most one picture in a hundred more (here: none of 16)."""
    torchattacks = pytest.importorskip("torchattacks")
    network, epsilon = zoo.load("signs-resnet-robust", device="cpu"), 16 / 255
    street = signs.render(16, seed=11, device="cpu")
    monkeypatch.setattr(sys.modules["course_utils.adversarial.apgd"], "RIVALS", 3)
    found = apgd_ensemble(network, street.images, street.labels, ball=Linf(epsilon), steps=8)
    stays_inside(Linf(epsilon), found.images, street.images)
    left = (~found.success).nonzero()[:, 0]
    assert 0 < len(left) < 16
    with torch.random.fork_rng(devices=[]), runtime.kept(network):
        theirs = torchattacks.APGDT(network, norm="Linf", eps=epsilon, steps=8, n_classes=4)
        pictures = theirs(street.images[left], street.labels[left])
        with torch.no_grad():
            assert (network(pictures).argmax(1) == street.labels[left]).all()


def stored() -> dict:
    path = runtime.DATA / "adversarial" / "ensemble.json"
    if not path.is_file():
        pytest.skip("not computed yet: make results NAMES=certify")
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_robust_accuracy_we_report_is_within_a_point_of_the_peers():
    """The long run, on many more pictures and steps: scripts/results_certify.py ensemble."""
    runs = stored()["runs"]
    assert len(runs) == 2
    for run in runs.values():
        ours, *theirs = run["robust_accuracy"].values()
        assert 0.1 < ours < 0.95
        assert run["scenes"] >= 100
        assert ours <= min(theirs) + 0.01
