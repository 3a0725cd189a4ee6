"""What marks a student's own work: quizzes, and one check an exercise, which says what is wrong, not only that it is.

Serves all eight notebooks; `base` holds what they share. Papers: see each lesson's module.
"""

from course_utils.checks.base import Quiz, Verdict, quiz
from course_utils.checks.progress import standing
