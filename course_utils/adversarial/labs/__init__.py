"""Lesson 8's labs."""

from course_utils.adversarial.labs.attack import AdversarialLab
