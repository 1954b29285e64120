"""Numbers of JSON within the bounds of a schema."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from flash.contract.formats import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    Schema = Mapping[str, Any]

__all__ = ["MAX_SAFE_INTEGER", "integers", "numbers"]

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Numbers without bounds are drawn from ±this. RFC 8259 §6: every reader of JSON agrees on integers of that range; and
a function whose square overflows at 1e300 is not broken."""

_SMALLEST_NORMAL: Final = 2.0**-1022


def _bounds(schema: Schema) -> tuple[float, bool, float, bool]:
    """Lowest value, whether it is excluded, highest value, whether it is excluded."""
    low, low_excluded = schema.get("minimum"), False
    if "exclusiveMinimum" in schema and (low is None or schema["exclusiveMinimum"] >= low):
        low, low_excluded = schema["exclusiveMinimum"], True
    high, high_excluded = schema.get("maximum"), False
    if "exclusiveMaximum" in schema and (high is None or schema["exclusiveMaximum"] <= high):
        high, high_excluded = schema["exclusiveMaximum"], True
    if low is None:
        low = -MAX_SAFE_INTEGER if high is None or high > -MAX_SAFE_INTEGER else 2 * high
    if high is None:
        high = MAX_SAFE_INTEGER if low < MAX_SAFE_INTEGER else 2 * low
    return low, low_excluded, high, high_excluded


def integers(schema: Schema) -> st.SearchStrategy[Any]:
    """Integers within the bounds that *schema* sets, and its multiples.

    Raises:
        Unsupported: The multiples are of a fraction.
    """
    low, low_excluded, high, high_excluded = _bounds(schema)
    least = math.floor(low) + 1 if low_excluded else math.ceil(low)
    most = math.ceil(high) - 1 if high_excluded else math.floor(high)
    step = schema.get("multipleOf", 1)
    if step != int(step):
        raise Unsupported(f"an integer that is a multiple of {step!r}")
    step = int(step)
    first, last = -(-least // step), most // step
    if first > last:
        return st.nothing()
    return st.integers(first, last).map(lambda count: count * step)


def numbers(schema: Schema) -> st.SearchStrategy[Any]:
    """Integers and finite floats within the bounds that *schema* sets, and its multiples."""
    low, low_excluded, high, high_excluded = _bounds(schema)
    step = schema.get("multipleOf")
    if step is not None:
        return _multiples(step, low, low_excluded, high, high_excluded)
    lowest, highest = float(low), float(high)
    if lowest < low:
        lowest = math.nextafter(lowest, math.inf)
    if highest > high:
        highest = math.nextafter(highest, -math.inf)
    if lowest > highest or (lowest == highest and (low_excluded or high_excluded)):
        return st.nothing()
    # no subnormal numbers: one over them is infinite, and no schema can say so
    subnormal = None if abs(lowest) < _SMALLEST_NORMAL and abs(highest) < _SMALLEST_NORMAL else False
    floats = st.floats(
        lowest,
        highest,
        exclude_min=low_excluded and lowest == low,
        exclude_max=high_excluded and highest == high,
        allow_nan=False,
        allow_infinity=False,
        allow_subnormal=subnormal,
    )
    return st.one_of(integers(schema), floats)


def _multiples(step: float, low: float, low_excluded: bool, high: float, high_excluded: bool) -> st.SearchStrategy[Any]:
    def fits(value: float) -> bool:
        above = value > low if low_excluded else value >= low
        below = value < high if high_excluded else value <= high
        # 3 * 0.1 is no multiple of 0.1 in binary: whoever divides must get a whole number
        return above and below and value / step == int(value / step)

    first, last = math.ceil(low / step) - 1, math.floor(high / step) + 1
    return st.integers(first, last).map(lambda count: count * step).filter(fits)
