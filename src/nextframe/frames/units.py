"""Units as files write them, read by pint: UDUNITS ("kg m-2 s-1"), with slashes ("mm/3hr"), powers ("m**2"), in words.

A text is taken apart here and only names of units are asked of pint, since its own parser takes "s-1" for a difference
and "3hr" below a slash for hours above it. pint is loaded when the first unit is asked for that is not plainly another.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"(?P<space>\s*)(?:(?P<number>\d*\.?\d+(?:[eE][-+]?\d+)?)|(?P<name>[^\W\d_]+|%|°)|(?P<sign>\*\*|[-+*/^()·⋅.]))"
)
_LONGEST = 60
"""Characters of a unit; what is longer is prose."""
_POWERS = 12
"""Largest power that is read: mm^6 m^-3 is a reflectivity."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺\N{MINUS SIGN}", "0123456789-+-")
_GLUED = re.compile(r"\b(mm(?=(?:h|hr|hour|s|min|d|day)\b(?!\s*\w))|kg(?=m[-^*]))", re.IGNORECASE)
"""Names without a blank between them: mmh-1, kgm-2s-1."""
_OF_WATER = re.compile(r"\s*\b(of\s+)?(liquid\s+)?(water(\s+equivalent)?|w\.\s?e\.?|lwe)\s*$", re.IGNORECASE)


class UnknownUnitError(Exception):
    """A text that cannot be read as a unit."""


def same_unit(one: str, other: str) -> bool:
    """True where two ways of writing a unit mean the same; of kg m-2 and mm, too, as they are of water.

    Of a text that is no unit, nothing but itself is the same.

    >>> same_unit("mm h-1", "mm/hour"), same_unit("kg m-2", "mm"), same_unit("mm", "mm/h"), same_unit("dBZ", "dbz")
    (True, True, False, True)
    """
    a, b = (" ".join(unit.split()) for unit in (one, other))
    if a == b or a.lower() == b.lower() == "dbz":
        return True
    try:
        left, right = _as_height(quantity(a)), _as_height(quantity(b))
    except UnknownUnitError:
        return a.lower() == b.lower()
    if left.dimensionality != right.dimensionality:
        return False
    try:
        return abs(float((left / right).to("dimensionless").magnitude) - 1) < 1e-9
    except (_pint().PintError, ZeroDivisionError):  # degrees from other zeros
        return bool(left.units == right.units)


def factor(unit: str, to: str) -> float | None:
    """Factor that a number in one unit is multiplied by to be one in another; None where they are of other kinds.

    A mass of water on an area is taken for the height that it has there, 1 kg m-2 for 1 mm.

    Raises:
        UnknownUnitError: a text that is no unit.

    >>> round(factor("kg m-2 s-1", "mm/h"), 6), round(factor("mm/3hr", "mm/h"), 6), factor("K", "mm/h")
    (3600.0, 0.333333, None)
    """
    given, wanted = _as_height(quantity(unit)), _as_height(quantity(to))
    if given.dimensionality != wanted.dimensionality:
        return None
    return float((given / wanted).to("dimensionless").magnitude)


def conversion(unit: str, to: str) -> tuple[float, float] | None:
    """Factor and offset that bring a number in one unit to another, of degrees from other zeros too; None where these
    are of other kinds.

    Raises:
        UnknownUnitError: a text that is no unit.

    >>> conversion("degC", "K"), conversion("km", "m"), conversion("K", "m")
    ((1.0, 273.15), (1000.0, 0.0), None)
    """
    try:
        between = factor(unit, to)
    except _pint().PintError:  # degrees from other zeros
        given, wanted = quantity(unit).units, quantity(to).units
        zero, one = (float(_registry().Quantity(value, given).to(wanted).magnitude) for value in (0.0, 1.0))
        return one - zero, zero
    return None if between is None else (between, 0.0)


def quantity(unit: str) -> Any:
    """A unit as a quantity of pint: "0.1 mm" is a tenth of one millimetre.

    Raises:
        UnknownUnitError: a text that is no unit, or may be read in two ways ("mm 3h-1").

    >>> str(quantity("kg m-2 (10 min)-1").to("kg/m**2/h"))
    '6.0 kilogram / hour / meter ** 2'
    """
    text = _OF_WATER.sub("", unit.strip()).translate(_SUPERSCRIPTS)
    text = re.sub(r"\bper\b", "/", text, flags=re.IGNORECASE)
    if not text or len(text) > _LONGEST:
        raise UnknownUnitError(unit)
    parser = _Parser(unit, _tokens(unit, _GLUED.sub(r"\1 ", text)))
    try:
        value = parser.product()
    except (_pint().PintError, ZeroDivisionError, OverflowError) as error:
        raise UnknownUnitError(unit) from error
    whole = value if hasattr(value, "dimensionality") else _registry().Quantity(value)
    if parser.tokens or not 0 < abs(whole.magnitude) < float("inf"):
        raise UnknownUnitError(unit)
    return whole


def _tokens(unit: str, text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise UnknownUnitError(unit)
        spaced, kind = bool(token["space"]), str(token.lastgroup)
        tokens.append(_Token(kind, token[kind], spaced))
        at = token.end()
    return tokens


class _Token(NamedTuple):
    kind: str
    """"number", "name", "sign", or "" beyond the end."""
    text: str
    spaced: bool
    """True where a blank stands before it."""


_END = _Token("", "", True)


class _Parser:
    """Products of names and numbers, from left to right, as UDUNITS reads them."""

    def __init__(self, unit: str, tokens: list[_Token]) -> None:
        self.unit, self.tokens = unit, tokens

    def next(self, ahead: int = 0) -> _Token:
        """A token that is still to be read."""
        return self.tokens[ahead] if len(self.tokens) > ahead else _END

    def take(self) -> _Token:
        """Read a token."""
        return self.tokens.pop(0) if self.tokens else _END

    def product(self) -> Any:
        """One or more factors, up to a bracket or the end."""
        value, with_unit = self.factor(below=False)
        while self.tokens and self.next().text != ")":
            below = self.next().text == "/"
            if self.next().text in ("/", "*", "·", "⋅", "."):
                self.take()
            elif self.next().kind == "number":  # "mm 3h-1": three per hour, or one in three hours
                raise UnknownUnitError(self.unit)
            other, has_unit = self.factor(below=below and with_unit)
            value, with_unit = value / other if below else value * other, with_unit or has_unit
        return value

    def factor(self, *, below: bool) -> tuple[Any, bool]:
        """A number, a name or a bracket, with its power; and whether there is a unit in it.

        Args:
            below: whether it stands below a slash that has a unit above, where "/3 h" are three hours.
        """
        token = self.take()
        if token.text == "(":
            value = self.product()
            if self.take().text != ")":
                raise UnknownUnitError(self.unit)
            return value ** self.power(), True
        if token.kind == "name":
            return named(self.unit, token.text) ** self.power(), True
        if token.kind != "number":
            raise UnknownUnitError(self.unit)
        marked = self.next().text in ("^", "**")
        value = float(token.text) ** (self.power() if marked else 1)
        if below and self.next().kind == "name":
            return value * self.factor(below=False)[0], True
        return value, False

    def power(self) -> int:
        """A power, "m2", "m-2", "m^-2", "m**2"; 1 where there is none."""
        marked = self.next().text in ("^", "**")
        if marked:
            self.take()
        signed = self.next().text in ("-", "+")
        sign = -1 if signed and self.take().text == "-" else 1
        if not (marked or signed) and (self.next().kind != "number" or self.next().spaced):
            return 1
        digits = self.take().text
        if not digits.isdecimal() or int(digits) > _POWERS:
            raise UnknownUnitError(self.unit)
        return sign * int(digits)


@cache
def named(unit: str, name: str) -> Any:
    """One unit by its name, as it is written or in lower case.

    Raises:
        UnknownUnitError: pint knows none of that name.
    """
    registry = _registry()
    for spelled in (name, name.lower()):
        try:
            return registry.Quantity(1.0, registry.Unit(spelled))
        except (_pint().PintError, ValueError):  # it takes "nan" and "inf" for numbers
            continue
    raise UnknownUnitError(unit)


def _as_height(value: Any) -> Any:
    """A mass on an area as the height of the water that it is."""
    registry = _registry()
    if dict(value.dimensionality).get("[mass]") == 1:
        return value / registry.Quantity(1000.0, "kg/m**3")
    return value


@cache
def _registry() -> Any:
    return _pint().UnitRegistry(cache_folder=None)


def _pint() -> Any:
    import pint

    return pint
