"""The interface as a page: every route, what it does and takes, out of the OpenAPI document; it needs no network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined


class Route(NamedTuple):
    """A route as the page shows it."""

    method: str
    """Its method, in capitals."""
    path: str
    """Its path, with the names of what is chosen in braces."""
    words: tuple[str, ...]
    """Paragraphs on what it does, in which code stands between backticks."""
    parameters: tuple[tuple[str, str], ...]
    """Name and facts of each parameter."""

    @property
    def anchor(self) -> str:
        """Name of its place on the page.

        >>> Route("GET", "/streams/{name}", (), ()).anchor
        'get-streams-name'
        """
        return "-".join(re.findall(r"\w+", f"{self.method} {self.path}".lower()))


def interface_page(openapi: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document, as HTML."""
    template = files("nextframe.service").joinpath("interface.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template)
    return page.render(info=openapi["info"], routes=_routes(openapi))


def _routes(openapi: Mapping[str, Any]) -> list[Route]:
    return [
        Route(
            method.upper(),
            path,
            tuple(about.get("description", "").split("\n\n")),
            tuple((each["name"], _facts(each)) for each in about.get("parameters", ())),
        )
        for path, methods in openapi["paths"].items()
        for method, about in methods.items()
    ]


def _facts(parameter: Mapping[str, Any]) -> str:
    """Facts of a parameter: where it stands, its type, and its default.

    >>> _facts({"in": "query", "required": False, "schema": {"type": "boolean", "default": False}})
    'query, boolean, by default false'
    """
    schema = parameter["schema"]
    default = [] if schema.get("default", "") == "" else [f"by default {str(schema['default']).lower()}"]
    return ", ".join([parameter["in"], schema.get("type", "any"), *default])
