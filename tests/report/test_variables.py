"""The variables for later jobs."""

from __future__ import annotations

from fakes_report import ENDPOINTS, deployed, refused

from flash.report.variables import as_dotenv


def test_a_deployment_names_its_digest_and_its_urls() -> None:
    """The first endpoint's URL is the environment's; each has its own too."""
    assert as_dotenv(deployed()).splitlines() == [
        "FLASH_REPORT_OUTCOME=deployed",
        "FLASH_REPORT_APP=quickstart",
        "FLASH_REPORT_ENVIRONMENT=production",
        f"FLASH_REPORT_DIGEST={'5f' * 32}",
        f"FLASH_REPORT_PREVIOUS_DIGEST={'0a' * 32}",
        "FLASH_REPORT_URL=http://127.0.0.1:8787/lb/abc123abc123ab",
        "FLASH_REPORT_URL_LB_WORKER=http://127.0.0.1:8787/lb/abc123abc123ab",
        "FLASH_REPORT_URL_GPU_WORKER=http://127.0.0.1:8787/v2/def456def456de",
        "FLASH_REPORT_URL_CPU_WORKER=http://127.0.0.1:8787/v2/ghi789ghi789gh",
    ]


def test_a_refusal_has_no_url() -> None:
    """A later job sees that there is nothing to call."""
    assert "URL" not in as_dotenv(refused())


def test_there_are_never_more_than_gitlab_takes() -> None:
    """It would fail the job."""
    many = tuple(ENDPOINTS[0].model_copy(update={"name": f"worker-{number}"}) for number in range(40))
    assert len(as_dotenv(deployed(endpoints=many)).splitlines()) == 20


def test_a_value_is_one_line() -> None:
    """Whatever an app is called."""
    assert "FLASH_REPORT_APP=a b\n" in as_dotenv(deployed(app="a\nb"))
