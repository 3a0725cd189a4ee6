"""The lab of a module without a browser: presets, sliders, and what its headline says."""

import re

import pytest

from course_utils import figures, inception
from course_utils.inception.labs import module
from tests.seen import pixels_of, words


@pytest.fixture
def module_lab():
    return module.InceptionLab("3a")


def test_every_preset_is_googlenet_s_own_module(module_lab):
    for name, (channels, one, three, five, pool) in inception.MODULES.items():
        module_lab.set(module=name)
        chosen = module_lab.choices()
        assert (chosen["channels"], chosen["one"], chosen["pool"]) == (channels, one, pool)
        assert (chosen["reduce_three"], chosen["three"]) == three
        assert (chosen["reduce_five"], chosen["five"]) == five
        out = one + three[1] + five[1] + pool
        side = {"3": 28, "4": 14, "5": 7}[name[0]]
        assert words(module_lab.headline).startswith(f"{side}×{side}×{channels} → {side}×{side}×{out}: ")
        assert chosen["module"] == name
        assert module_lab.message.value == ""


def test_the_headline_tells_what_the_account_says(module_lab):
    assert "164,064 parameters, 128 M multiply-adds. Without the 1×1 reductions: 2.4 times" in words(
        module_lab.headline
    )
    assert "One output sees 5×5" in words(module_lab.headline)
    module_lab.controls["kernel_five"].value = 9
    assert "One output sees 9×9" in words(module_lab.headline)
    module_lab.set(kernel_three=1, kernel_five=1)
    assert "One output sees 3×3" in words(module_lab.headline)  # the pooling branch does
    module_lab.controls["reductions"].value = False
    assert "Without the 1×1 reductions" not in words(module_lab.headline)


def test_a_moved_slider_makes_the_module_one_s_own(module_lab):
    module_lab.controls["three"].value = 200
    assert module_lab.controls["module"].value == module.OWN
    assert "×328:" in words(module_lab.headline)
    module_lab.controls["module"].value = "3a"
    assert module_lab.controls["three"].value == 128
    module_lab.controls["module"].value = module.OWN
    assert module_lab.controls["three"].value == 128


def test_a_choice_survives_another_module(module_lab):
    module_lab.set(kernel_five=3, reductions=False)
    module_lab.controls["module"].value = "5b"
    assert module_lab.controls["kernel_five"].value == 3
    assert module_lab.controls["reductions"].value is False
    module_lab.reset()
    assert module_lab.choices()["module"] == "3a"
    assert module_lab.choices()["channels"] == 192
    assert "128 M" in words(module_lab.headline)


def test_no_such_module_is_told():
    with pytest.raises(ValueError, match=r"has the modules 3a, 3b, .*; got '6a'"):
        module.InceptionLab("6a")


def test_the_extremes_of_all_sliders_draw(module_lab):
    sliders = ("channels", "one", "reduce_three", "three", "reduce_five", "five", "pool")
    for end in ("min", "max"):
        module_lab.set(**{name: getattr(module_lab.controls[name], end) for name in sliders})
        assert module_lab.message.value == ""
        assert pixels_of(module_lab).shape == (660, figures.WIDTH, 3)


def test_the_lab_s_questions_have_the_answers_that_the_lesson_means(module_lab):
    factors = {}
    for name in inception.MODULES:
        module_lab.set(module=name)
        factors[name] = float(re.search(r"reductions: ([\d.]+) times", words(module_lab.headline))[1])
    assert max(factors, key=factors.get) == "5a"  # 1: many channels in, and wide branches
    module_lab.set(module="3a")
    module_lab.set(five=128)
    cost = module.account((192, 64, (96, 128), (16, 128), 32), (3, 5), 28)
    assert cost["conv_3x3"].macs > cost["conv_5x5"].macs > 3 * 12e6  # 2: the 3×3 still, thanks to 16 in front
    paper, torchvision = (module.account(inception.MODULES["3a"], (3, k), 28) for k in (5, 3))
    assert 0.04 < 1 - torchvision.macs / paper.macs < 0.06  # 3: a twentieth
    cost = module.account((192, 112, (40, 80), (8, 32), 32), (3, 5), 28)
    assert cost.rows[-1].shape[1] == 256  # 4: it can be done
    assert cost.macs < 64e6


def test_a_moved_slider_draws_one_picture_and_counts_two_modules(module_lab, monkeypatch):
    """Nothing is computed twice, and nothing that has numbers: so a slider redraws at once."""
    counted, drawn = [], []
    account, draw = module.account, module.figures.module
    monkeypatch.setattr(module, "account", lambda *plan, **how: counted.append(plan) or account(*plan, **how))
    monkeypatch.setattr(module.figures, "module", lambda cost, **how: drawn.append(cost) or draw(cost, **how))
    module_lab.controls["three"].value = 200
    assert (len(counted), len(drawn)) == (2, 1)


def test_widths_may_be_lists_where_the_reductions_are_left_out():
    tuples, lists = (192, 64, (96, 128), (16, 32), 32), (192, 64, [96, 128], [16, 32], 32)
    bills = [module.account(widths, (3, 5), 28, reductions=False).macs for widths in (tuples, lists)]
    assert bills[0] == bills[1] > module.account(tuples, (3, 5), 28).macs
