"""The labs: one a lesson, each a few controls and a picture that follows them.

Serves all eight notebooks; `base` holds what they share, `adversarial` the lab of notebook 8.
Papers: see each lab's method.
"""
