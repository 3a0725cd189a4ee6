"""Lesson 8's lab, and its picture standing still."""

from course_utils.adversarial.labs.attack import AdversarialLab

# Here `before_and_after` is the function and hides its module: inside the package import from the module.
from course_utils.adversarial.labs.before_and_after import before_and_after
