"""The labs: one a lesson, each a few controls and a picture that follows them.

Serves all eight notebooks; `base` holds what they share, `started` what those share that wait for a button.
Papers: see each lab's method.
"""
