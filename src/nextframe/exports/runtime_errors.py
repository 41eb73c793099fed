"""Errors of libraries written in C++ in a line: what they say, without where in their sources they say it."""

from __future__ import annotations

import re

from nextframe.errors import first_line

_NOISE = (
    r"\[ONNXRuntimeError\] : \d+ : \w+ : ",
    r"Load model from .*? failed: ?",
    r"Fatal error: ",
    r"Non-zero status code returned while running (?P<node>\S+) node\. Name:'[^']*' Status Message: ",
    r"Exception from \S+:\d+:\s*",
    r"Check '.*?' failed at \S+:\d+:\s*",
    r"Error: \S+\.cc:\d+ \w+ ",
    r"/\S+\.(?:cc|cpp|h|hpp):\d+ [^)]*\)(?: const)?(?: \[[^]]*\])? ",
)
_BEFORE = re.compile("|".join(_NOISE))


def said(error: BaseException) -> str:
    r"""The first thing that an error says of what is wrong.

    >>> said(RuntimeError("Exception from src/core.cpp:84:\nCheck 'bin' failed at src/xml.cpp:887:\nEmpty weights!\n"))
    'Empty weights'
    """
    text = _BEFORE.sub("", str(error)).strip()
    return (first_line(RuntimeError(text)) if text else type(error).__name__).rstrip(".!")
