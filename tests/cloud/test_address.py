from __future__ import annotations

from flash.cloud.address import PlatformAddress, redact

RUNPOD = PlatformAddress("https://api.runpod.io/", "https://api.runpod.ai/v2", None, "rpa_SECRET")


def test_the_key_is_in_no_text_of_an_address():
    """Neither repr nor str nor a format shows it."""
    assert "rpa_SECRET" not in f"{RUNPOD!r} {RUNPOD!s} {RUNPOD}"


def test_graphql_lies_below_the_control_plane():
    """A slash at the end of the base does no harm."""
    assert RUNPOD.graphql_url == "https://api.runpod.io/graphql"


def test_a_queue_endpoint_lies_below_the_data_url():
    """As the page prints it."""
    assert RUNPOD.endpoint_url("def456xyz", is_load_balanced=False) == "https://api.runpod.ai/v2/def456xyz"


def test_a_load_balanced_endpoint_has_a_host_of_its_own():
    """As the page prints it; a port is kept, and the scheme is https whatever the base says."""
    odd = PlatformAddress("http://a", "http://data.test:99/v2", None, "")
    assert RUNPOD.endpoint_url("abc123xyz", is_load_balanced=True) == "https://abc123xyz.api.runpod.ai"
    assert odd.endpoint_url("abc", is_load_balanced=True) == "https://abc.data.test:99"


def test_a_local_load_balanced_endpoint_lies_below_its_base():
    """There are no host names to give out on one machine."""
    local = PlatformAddress("http://127.0.0.1:8787", "http://127.0.0.1:8787/v2", "http://127.0.0.1:8787/lb/", "k")
    assert local.endpoint_url("abc", is_load_balanced=True) == "http://127.0.0.1:8787/lb/abc"


def test_no_key_redacts_nothing():
    """An empty key is in every text, and must not be replaced."""
    assert redact("abc", "") == "abc"
