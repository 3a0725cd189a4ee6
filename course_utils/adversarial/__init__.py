"""Lesson 8, adversarial examples: balls, PGD and stronger attacks, decision maps, robustness, certificates.

from course_utils.adversarial import Linf, pgd
pgd(network, images, labels, ball=Linf(8 / 255), step_size=2 / 255)
"""

from course_utils.adversarial import (
    decision_map,
    figures,
    intervals,
    obfuscated,
    patch,
    robustness,
    smoothing,
    transfer,
)

# In this face `apgd` and `pgd` are functions and hide their modules: inside the package import from the module.
from course_utils.adversarial.apgd import apgd, apgd_steps, attack_radius
from course_utils.adversarial.balls import L1, L2, Ball, Linf
from course_utils.adversarial.pgd import Attack, Step, fgsm, loss_and_gradient, loss_and_logits, pgd, pgd_steps
