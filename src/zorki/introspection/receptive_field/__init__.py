"""Which pixels an activation can see, followed operation by operation through any network.

For each axis of the image, position i of a map sees the pixels [low + i * jump, high + i * jump): a convolution
widens the interval, its stride multiplies the jump (Araujo, Norris and Sim, "Computing Receptive Fields of
Convolutional Neural Networks", Distill 2019, equations 1-6). Branches that meet are joined: the lowest low, the
highest high. A sum over positions (flatten and matrix product, mean, attention) sees what all of them see.

Which positions lie along which dimension of a tensor is followed through reshapes and permutations, so that windows
and patches come out right, too. Statistics of normalization layers are not counted as seeing: group norm would see
the whole image. After interpolation and transposed convolution, whose positions do not see alike, the interval
is the smallest that bounds them all; an operation that this page does not know is taken to see everything.
"""

from zorki.introspection.receptive_field.centers import PIXELS, Grid, map_grids
from zorki.introspection.receptive_field.field import Field
from zorki.introspection.receptive_field.gradient import receptive_field_by_gradient
from zorki.introspection.receptive_field.patches import field_of_layer, seen_by_position
from zorki.introspection.receptive_field.trace import Trace

__all__ = [
    "PIXELS",
    "Field",
    "Grid",
    "Trace",
    "field_of_layer",
    "map_grids",
    "receptive_field_by_gradient",
    "seen_by_position",
]
