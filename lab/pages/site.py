"""Hooks of mkdocs: equations as MathML, which browsers set without a script, commands that are copied alone, and the
models of the page that forecasts in the browser.

Equations are written as GitHub takes them, too: blocks of ```math, and $`x`$ within a line.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"\$`([^`]+)`\$")
_CODE = re.compile(r'<div class="highlight">(<pre>.*?</code></pre>)</div>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_ROOT = Path(__file__).parents[2]
_kept = {"serves": False}


def on_startup(command: str, **_: Any) -> None:
    """Note whether pages are shown while they are written: then the browser's models are not made for each change."""
    _kept["serves"] = command == "serve"


def on_post_build(config: Any, **_: Any) -> None:
    """Put models and runtime beside the page that forecasts in the browser."""
    if not _kept["serves"]:
        out = Path(config["site_dir"]).resolve() / "assets" / "browser"
        subprocess.run([sys.executable, "-m", "lab", "browser", "--out", str(out)], cwd=_ROOT, check=True)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Set the equations of a page."""
    blocks = _BLOCK.sub(lambda match: f'<div class="math">{mathml(match[1], display="block")}</div>', markdown)
    return _INLINE.sub(lambda match: mathml(match[1]), blocks)


def on_page_content(html: str, **_: Any) -> str:
    """Tell the copy button of a console block which of its lines are commands."""
    return _CODE.sub(_with_commands, html)


def mathml(equation: str, display: str = "inline") -> str:
    """An equation in LaTeX as MathML, in one line."""
    # GitHub takes `aligned`; the converter knows rows by the name of their free-standing kin.
    rows = equation.strip().replace("{aligned}", "{align*}")
    return " ".join(convert(rows, display=display).split())


def commands(text: str) -> str:
    r"""What a person types of a console block: lines behind a prompt, and those that they are continued in.

    >>> commands("$ make install\nready\n$ nextframe \\\n    inspect\n")
    'make install\nnextframe \\\n    inspect'
    """
    typed: list[str] = []
    goes_on = False
    for line in text.splitlines():
        if goes_on or line.startswith("$ "):
            typed.append(line if goes_on else line.removeprefix("$ "))
            goes_on = line.endswith("\\")
    return "\n".join(typed)


def _with_commands(match: re.Match[str]) -> str:
    typed = commands(html.unescape(_TAG.sub("", match[1])))
    return f'<div class="highlight" data-copy="{html.escape(typed)}">{match[1]}</div>' if typed else match[0]
