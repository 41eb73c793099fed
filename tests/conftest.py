"""Settings of all tests."""

from hypothesis import settings

from nextframe.plugins import pyproj_first

# How long an example takes depends on what else the machine does.
settings.register_profile("nextframe", deadline=None)
settings.load_profile("nextframe")

# Before a test imports ecCodes by itself.
pyproj_first()

collect_ignore = ["extension"]  # a package of its own, whose tests run where it is installed (test_extension.py)
