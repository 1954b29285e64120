"""Tests of the endpoints themselves: all against the preview, the smoke tests again against what was deployed."""

import pytest


@pytest.mark.flash_smoke
@pytest.mark.parametrize("endpoint", ["gpu_worker", "cpu_worker"])
def test_an_empty_input_greets_the_world(flash_endpoint, endpoint):
    job = flash_endpoint(endpoint).runsync({})

    assert (job.status, job.error) == ("COMPLETED", None)
    assert job.output["message"] == "Hello, world!"


@pytest.mark.flash_smoke
def test_the_api_calls_the_other_endpoint(flash_endpoint):
    response = flash_endpoint("lb_worker").post("/process", json={"input": {"name": "Ada", "language": "german"}})

    assert response.status_code == 200
    assert response.json() == {"message": "Hallo, Ada!", "link": "/greetings/hallo-ada"}


@pytest.mark.flash_smoke
@pytest.mark.parametrize("body", [{}, {"input": {}}])
def test_the_api_needs_no_input(flash_endpoint, body):
    response = flash_endpoint("lb_worker").post("/process", json=body)

    assert response.status_code == 200
    assert response.json()["message"] == "Hello, world!"


@pytest.mark.flash_smoke
def test_the_api_is_healthy(flash_endpoint):
    assert flash_endpoint("lb_worker").get("/health").json() == {"status": "ok"}


def test_a_job_can_be_waited_for(flash_endpoint):
    handle = flash_endpoint("cpu_worker").run({"name": "Zoë", "language": "frnch"})

    assert handle.wait().output == {"message": "Bonjour, Zoë!", "slug": "bonjour-zoe"}


def test_a_bad_input_is_refused_by_name(flash_endpoint):
    job = flash_endpoint("gpu_worker").runsync({"nmae": "Ada"})
    response = flash_endpoint("lb_worker").post("/process", json={"input": {"name": 1}})

    assert job.status == "FAILED"
    assert "nmae" in job.error
    assert response.status_code == 422
    assert "name" in response.text


def test_every_endpoint_is_there(flash_preview):
    assert set(flash_preview.endpoints) == {"lb_worker", "gpu_worker", "cpu_worker"}


@pytest.mark.flash_deployed_only
def test_the_deployment_says_what_is_live(flash_deployment):
    assert flash_deployment.environment in {"staging", "production"}
    assert len(flash_deployment.digest) == 64
