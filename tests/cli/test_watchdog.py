"""A sentence where opening a file takes long, though the library does not let go."""

import subprocess
import sys
import textwrap

import pytest

from nextframe.cli.watchdog import watchdog

STUCK = """
import ctypes
from nextframe.cli.watchdog import watchdog
with watchdog("radar.h5", 0.2):
    ctypes.PyDLL(None).usleep(900_000)  # holds the interpreter's lock, as HDF5 does
"""


@pytest.mark.slow
def test_it_speaks_while_a_library_holds_the_interpreter() -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(STUCK)], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("nextframe: radar.h5: still being opened after 0.2 s")
    assert done.stderr.count("\n") == 1


def test_it_is_silent_where_a_file_opens_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with watchdog("radar.h5", 30):
        pass
    with pytest.raises(OSError, match="gone"), watchdog("radar.h5", 30):
        raise OSError("gone")
    assert capfd.readouterr() == ("", "")
