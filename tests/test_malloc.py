"""What becomes of freed memory, as glibc was told."""

import subprocess
import sys

import pytest

HOLES = """
import numpy as np
from nextframe.malloc import return_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

if {told}:
    assert return_freed_memory()
np.ones(2**21)  # 16 MiB: once freed, glibc no longer maps blocks that are smaller by themselves
before = resident()
frames, between = [], []
for n in range(40):
    frames.append(np.ones(2**18))  # 2 MiB, as a radar's frame
    between.append(np.ones(2**13))
del frames
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_frames_that_are_freed_go_back_to_the_system_whatever_lies_between_them() -> None:
    left = [
        float(subprocess.run([sys.executable, "-c", HOLES.format(told=told)], check=True, capture_output=True).stdout)
        for told in (False, True)
    ]
    assert left[0] > 60
    assert left[1] < 10
