"""Units in the spellings of files, read by pint; what can be read in two ways is not read."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextframe.frames.units import UnknownUnitError, factor, quantity, same_unit


@pytest.mark.parametrize(
    ("unit", "rate"),
    [
        ("mm/h", 1),
        ("mm hr-1", 1),
        ("mm h**-1", 1),
        ("mm h^-1", 1),
        ("mm*h^-1", 1),
        ("mm.h-1", 1),
        ("mm h⁻¹", 1),
        ("mmh-1", 1),
        ("mm per hour", 1),
        ("millimetres per hour", 1),
        ("mm/1h", 1),
        ("mm/day", 1 / 24),
        ("mm/24h", 1 / 24),
        ("mm d-1", 1 / 24),
        ("mm/3hr", 1 / 3),
        ("mm/3 hours", 1 / 3),
        ("mm (3h)-1", 1 / 3),
        ("mm/(5 min)", 12),
        ("mm (5min)-1", 12),
        ("kg m-2 (10 min)-1", 6),
        ("kg/m^2/s", 3600),
        ("kg m-2 s-1", 3600),
        ("kg m**-2 s**-1", 3600),
        ("kg.m-2.s-1", 3600),
        ("kgm-2s-1", 3600),
        ("kg/(m2 s)", 3600),
        ("m s-1", 3.6e6),
        ("1e-3 m/s", 3600),
        ("10^-3 m s-1", 3600),
        ("l/m2/h", 1),
        ("in/h", 25.4),
        ("inches/hour", 25.4),
        ("0.1 mm/h", 0.1),
    ],
)
def test_rates(unit: str, rate: float) -> None:
    assert factor(unit, "mm/h") == pytest.approx(rate, rel=1e-9)
    assert factor(unit, "mm") is None


@pytest.mark.parametrize(
    ("unit", "amount"),
    [
        ("mm", 1),
        ("kg m-2", 1),
        ("m", 1000),
        ("m of water equivalent", 1000),
        ("inch", 25.4),
        ("1/10 mm", 0.1),
        ("cm", 10),
    ],
)
def test_amounts(unit: str, amount: float) -> None:
    assert factor(unit, "mm") == pytest.approx(amount, rel=1e-9)
    assert factor(unit, "mm/h") is None


@pytest.mark.parametrize("unit", ["K", "W m-2", "%", "1", "mm6 m-3", "kg", "m2 s-1"])
def test_what_is_no_rain(unit: str) -> None:
    assert (factor(unit, "mm/h"), factor(unit, "mm")) == (None, None)


@pytest.mark.parametrize(
    "unit",
    [
        "",
        "mm 3h-1",
        "mm 5",
        "mm 10-1",
        "kg m-2 3h-1",
        "furlongs per moon",
        "mm/",
        "/h",
        "((((",
        "mm)",
        "mm/0h",
        "0 mm/h",
        "nan mm/h",
        "inf",
        "10^10^10",
        "mm^99",
        "9" * 61,
        "__import__('os')",
        "mm\0",
        "mm; h",
        "m" * 1000,
    ],
)
def test_what_is_no_unit(unit: str) -> None:
    with pytest.raises(UnknownUnitError):
        quantity(unit)


@given(st.text(alphabet="mkgshrdinK0159 -+*/^().e²⁻", max_size=24))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    try:
        quantity(text)
    except UnknownUnitError:
        assert not same_unit(text, "mm/h")


def test_the_same_unit() -> None:
    alike = [
        ("mm h-1", "mm/hour"),
        ("kg m-2", "mm"),
        ("kg m-2 s-1", "mm s-1"),
        ("dBZ", "DBZ"),
        ("degC", "celsius"),
        ("K", "kelvin"),
    ]
    alike += [("hPa", "mbar"), ("counts of sheep", "counts of sheep"), ("m s-1", "m/s")]
    assert all(same_unit(a, b) and same_unit(b, a) for a, b in alike)
    unlike = [
        ("mm", "mm/h"),
        ("mm/h", "mm/3h"),
        ("K", "degC"),
        ("1", "%"),
        ("mm/h", "dBZ"),
        ("sheep", "goats"),
        ("m", "mm"),
    ]
    assert not any(same_unit(a, b) or same_unit(b, a) for a, b in unlike)


def test_pint_is_not_loaded_for_what_is_plainly_the_same() -> None:
    code = (
        "import sys\nfrom nextframe.frames.units import same_unit\n"
        "assert same_unit('mm/h', 'mm/h')\nprint('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
