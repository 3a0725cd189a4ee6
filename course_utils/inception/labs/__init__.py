"""The labs of lesson 4: a module drawn in true proportions, branches to ablate, a race with and without the 1×1."""

from course_utils.inception.labs.branches import BranchLab
from course_utils.inception.labs.module import InceptionLab
from course_utils.inception.labs.race import RaceLab
