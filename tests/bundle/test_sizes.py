"""What makes an artifact large."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flash.bundle.contents import Part
from flash.bundle.sizes import largest, size_table

MIB = 2**20
PARTS = [Part("numpy", 10, 30 * MIB, "2.1.0"), Part("six", 2, 1024, "1.17.0"), Part("scipy", 9, 60 * MIB, "1.14.1")]


def test_the_largest_come_first_and_the_rest_is_summed() -> None:
    """Distributions and the project's own files, in one table of aligned columns."""
    assert size_table(PARTS, {"data/weights.bin": 10 * MIB, "app.py": 100}, most=3) == (
        "  scipy 1.14.1      60.0 MiB   60 %\n"
        "  numpy 2.1.0       30.0 MiB   30 %\n"
        "  data/weights.bin  10.0 MiB   10 %\n"
        "  2 more             1.1 KiB    0 %"
    )


def test_what_weighs_nothing_is_no_table() -> None:
    """There is nothing to leave out."""
    assert size_table([]) == ""
    assert size_table([Part("empty", 0, 0)]) == ""


def test_a_long_path_keeps_its_ends() -> None:
    """The table fits 80 columns."""
    table = size_table([], {f"models/{'deep/' * 40}weights.bin": 5})
    assert "models/deep" in table
    assert "weights.bin" in table
    assert max(map(len, table.splitlines())) <= 80


@given(st.lists(st.tuples(st.text(min_size=1), st.integers(0, 2**40)), max_size=20), st.integers(0, 20))
def test_shares_are_of_everything(files: list[tuple[str, int]], most: int) -> None:
    """Descending, at most so many, and never more than all of it."""
    found = largest(PARTS, dict(files), most=most)
    assert len(found) <= most
    assert sorted(found, key=lambda one: -one.size_bytes) == list(found)
    assert sum(one.share for one in found) <= 1.000001
