"""Ignore patterns: comparing them as text says what pathspec says."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flash.bundle.patterns import Layer, Rules, verdict_of

_NAMES = ("a", "b", "ab", "a.py", "b.py", ".env", ".env.local", "env", "tests", "a b", "#a", "!a", "ä", "-")
_PIECES = ("a", "b", ".py", ".env", "env", "*", "**", "?", "[ab]", "[!a]", "tests", "-", "ä", "/", "\\", " ", "!", "#")

_paths = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4)
_patterns = st.one_of(
    st.sampled_from(("*", "*.py", "/a", "a/", "!a", "a/b", "!a/", ".env*", "a*.py", "**/b", "a/**", "/a/*", "!*.py")),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(("", "!", "/", "!/")),
        st.sampled_from(_NAMES),
        st.sampled_from(("", "*", "/*")),
        st.sampled_from(("", "/")),
    ),
    st.lists(st.sampled_from(_PIECES), max_size=5).map("".join),
)


def _layers(lists: list[list[str]], base: str) -> list[Layer] | None:
    try:
        first = [Layer("", f"rule {number}", lines) for number, lines in enumerate(lists[:-1])]
        return [*first, Layer(base, "the deepest", lists[-1])]
    except ValueError:
        return None


@given(lists=st.lists(st.lists(_patterns, max_size=5), min_size=1, max_size=3), parts=_paths, is_folder=st.booleans())
@example(lists=[["a/", "!a/"]], parts=["a", "b"], is_folder=False)
@example(lists=[["a"], ["!a/b"]], parts=["a", "b"], is_folder=True)
@example(lists=[["*", "!a/", "!a.py"]], parts=["a", "a.py"], is_folder=False)
@example(lists=[["/a"]], parts=["b", "a"], is_folder=False)
def test_on_the_way_down_a_tree_the_fast_verdict_is_gits(
    lists: list[list[str]], parts: list[str], is_folder: bool
) -> None:
    """Folder by folder, as a walk goes, each part of a path is hidden by what hides it under git's rules."""
    layers = _layers(lists, "")
    if layers is None:
        return
    rules, is_below = Rules(layers), False
    for depth, name in enumerate(parts, 1):
        path = "/".join(parts[:depth]) + ("/" if is_folder or depth < len(parts) else "")
        expected = verdict_of(layers, path)
        spoken = is_below or rules.speaks_of(name, path)
        assert (rules.verdict(name, path, is_below=is_below) if spoken else None) == expected, path
        if expected is not None:
            break
        is_below = spoken


@given(lists=st.lists(st.lists(_patterns, max_size=5), min_size=2, max_size=3), parts=_paths)
def test_rules_of_a_deeper_folder_speak_of_what_lies_below_it(lists: list[list[str]], parts: list[str]) -> None:
    """Patterns of a list that lies in a folder are relative to that folder, whatever lists lie above."""
    layers = _layers(lists, "top/")
    if layers is None:
        return
    below = verdict_of(layers[:-1], "top/") is None and any(verdict_of([layer], "top/") for layer in layers[:-1])
    spoken_of_top = below or Rules(layers[:-1]).speaks_of("top", "top/")
    rules, is_below = Rules(layers), spoken_of_top
    for depth, name in enumerate(parts, 1):
        path = "top/" + "/".join(parts[:depth]) + ("/" if depth < len(parts) else "")
        spoken = is_below or rules.speaks_of(name, path)
        expected = verdict_of(layers, path)
        assert (rules.verdict(name, path, is_below=is_below) if spoken else None) == expected, path
        if expected is not None:
            break
        is_below = spoken


@pytest.mark.parametrize("pattern", ["*.log", "build/", "/dist", "!keep", ".env*", "a*z"])
def test_patterns_that_people_write_need_no_expressions(pattern: str) -> None:
    """What is compared as text is no regular expression: an import and a search for each path are saved."""
    assert Layer("", "a list", [pattern]).others is None


@pytest.mark.parametrize("pattern", ["!", "a/***/b/!", "\\"])
def test_what_is_no_pattern_is_told_when_it_is_read(pattern: str) -> None:
    """A list with a line that git could not read is refused, or says nothing, before anything is asked of it."""
    try:
        layer = Layer("", "a list", [pattern])
    except ValueError:
        return
    assert layer.verdict("a") is None
