"""The fast CPU path of the ConvLSTM layer: Winograd convolutions in C++, behind custom operators of PyTorch.

`usable(...)` says whether the engine can take a layer's work, and `pays(...)` whether that is faster; `scan(...)` does
it, and `readout(...)` that of the stack's 3-D convolution. `describe()` tells which path runs and why;
`same_weights()` spares a rollout the comparison of weights at every step; `release_buffers()` gives memory back that a
training has used; `subnormals_are_zero()` keeps all else at full speed. The environment variable `NEXTFRAME_ENGINE=off`
turns the engine off; `use(False)` does so from Python.
"""

from nextframe.engine.buffers import release as release_buffers
from nextframe.engine.dispatch import pays
from nextframe.engine.operators import same_weights, scan
from nextframe.engine.readout import readout
from nextframe.engine.status import built, describe, instruction_sets, usable, use
from nextframe.engine.subnormals import subnormals_are_zero

__all__ = [
    "built",
    "describe",
    "instruction_sets",
    "pays",
    "readout",
    "release_buffers",
    "same_weights",
    "scan",
    "subnormals_are_zero",
    "usable",
    "use",
]
