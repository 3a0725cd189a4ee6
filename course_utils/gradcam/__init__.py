"""Lesson 7, where the network looked: saliency maps, Grad-CAM and its kin, and how to score them.

from course_utils.gradcam import gradcam
gradcam(network, images, layer="stage4")
"""

from course_utils.gradcam import comparison, figures, localisation, saliency, shortcut
from course_utils.gradcam.gradcam import (
    METHODS,
    WEIGHTS,
    Evidence,
    evidence,
    gradcam,
    gradcam_plus_plus,
    guided_gradcam,
    hirescam,
    layercam,
    resized,
)
from course_utils.layers.find import last_layer, outer_layers, spatial_layers

__all__ = [
    "METHODS",
    "WEIGHTS",
    "Evidence",
    "comparison",
    "evidence",
    "figures",
    "gradcam",
    "gradcam_plus_plus",
    "guided_gradcam",
    "hirescam",
    "last_layer",
    "layercam",
    "localisation",
    "outer_layers",
    "resized",
    "saliency",
    "shortcut",
    "spatial_layers",
]
