"""Tests of the endpoints, with ``--flash-preview``; the smoke tests run again against what was deployed."""

import pytest


@pytest.mark.flash_smoke
def test_the_world_is_greeted_where_nobody_is_named(flash_endpoint):
    job = flash_endpoint("gpu_worker").runsync({})

    assert (job.status, job.error) == ("COMPLETED", None)
    assert job.output["message"] == "Hello, world!"


@pytest.mark.flash_smoke
def test_the_api_calls_the_other_endpoint(flash_endpoint):
    response = flash_endpoint("lb_worker").post("/greetings", json={"name": "Ada"})

    assert response.status_code == 200
    assert response.json() == {"greeting": "Hello, Ada!"}


def test_a_misspelt_input_is_refused_by_name(flash_endpoint):
    job = flash_endpoint("gpu_worker").runsync({"nmae": "Ada"})

    assert job.status == "FAILED"
    assert "nmae" in job.error
