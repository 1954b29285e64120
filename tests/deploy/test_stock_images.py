"""What Runpod's own images do not do."""

from __future__ import annotations

from fakes_deploy import manifest

from flash.deploy.stock_images import unsupported_on_runpod


def test_what_the_images_do_is_not_mentioned():
    """Functions that return, one at a time; load-balanced endpoints do what they like."""
    assert unsupported_on_runpod(manifest("gpu_worker", "lb_worker")) == ()


def test_a_generator_is_told_not_to_stream():
    """With its name and the endpoint's."""
    what = manifest("gpu_worker")
    what.resources["gpu_worker"].functions[0].is_generator = True
    (note,) = unsupported_on_runpod(what)
    assert note.startswith("gpu_worker: gpu_worker_hello yields, and Runpod's images do not stream")


def test_concurrency_within_a_worker_is_told_to_have_no_effect():
    """The image takes one job at a time."""
    (note,) = unsupported_on_runpod(manifest("gpu_worker", max_concurrency=4))
    assert "max_concurrency=4 has no effect" in note


def test_somebody_elses_image_is_its_own_business():
    """What it does is not known here."""
    assert unsupported_on_runpod(manifest("theirs", max_concurrency=4, client_mode=True)) == ()
