"""Lesson 8's lab, and its picture standing still."""

from course_utils.adversarial.labs.attack import AdversarialLab
from course_utils.adversarial.labs.moments import before_and_after
