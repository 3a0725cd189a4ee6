"""Lesson 7, where the network looked: saliency maps, Grad-CAM and its kin, and how to score them.

from course_utils.gradcam import gradcam
gradcam(network, images, layer="stage4")
"""

from course_utils.gradcam import comparison, figures, localisation, pairs, saliency, sanity, shortcut

# In this face `gradcam` is the function and hides its module: inside the package import from the module.
from course_utils.gradcam.gradcam import METHODS, gradcam, gradcam_plus_plus, guided_gradcam, hirescam, layercam
from course_utils.layers.find import last_layer, outer_layers, spatial_layers
