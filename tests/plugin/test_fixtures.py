"""What the fixtures give, and what tests can do while a preview runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject


def test_fixtures_give_project_artifact_manifest_preview_and_clients(project: FlashProject) -> None:
    """All of one run."""
    project.tests(
        """
        from pytest_flash import FlashPreview

        def test_all(flash_project, flash_artifact, flash_manifest, flash_preview: FlashPreview, flash_endpoint):
            assert flash_project.settings.app == "demo"
            assert flash_artifact.files == ("app.py",)
            assert flash_manifest is flash_artifact.manifest
            assert list(flash_manifest.resources) == ["greeter", "api"]
            assert isinstance(flash_preview, FlashPreview)
            assert flash_preview.url == str(flash_preview) == "http://127.0.0.1:9"
            assert sorted(flash_preview.endpoints) == ["api", "greeter"]
            assert flash_preview.endpoints["greeter"] is flash_endpoint("greeter")
            assert flash_preview.logs("greeter") == ("last words of greeter",)
            assert flash_endpoint("api").post("/echo", json={"name": "x"}).json() == "x"
        """
    )
    project.run("--flash-preview").assert_outcomes(passed=5)


def test_an_unknown_endpoint_is_an_error_that_names_the_nearest(project: FlashProject) -> None:
    """Without our frames."""
    project.tests("def test_it(flash_endpoint): flash_endpoint('greter')")
    result = project.run("--flash-preview")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["the app has no endpoint 'greter'", "hint: did you mean 'greeter'?"])
    assert result.stdout.str().count("hint: ") == 1
    result.stdout.no_fnmatch_line("*connection.py*")


def test_a_plain_call_runs_here_and_a_remote_one_on_the_endpoint(project: FlashProject) -> None:
    """A decorated function stays an ordinary function."""
    project.tests(
        """
        from flash import Endpoint

        @Endpoint(name="greeter", cpu="cpu3c-1-2")
        def hello(name: str) -> str:
            return f"Hello {name} from here"

        def test_it():
            assert hello("Ada") == hello.local("Ada") == "Hello Ada from here"
            assert hello.remote("Ada") == "Hello Ada from preview"
        """
    )
    project.run("--flash-preview").assert_outcomes(passed=5)


def test_a_remote_call_without_a_preview_says_so(project: FlashProject) -> None:
    """It never runs here instead."""
    project.tests(
        """
        from flash import Endpoint
        from flash.errors import CallError

        @Endpoint(name="greeter", cpu="cpu3c-1-2")
        def hello(name: str) -> str: ...

        def test_it():
            with pytest.raises(CallError):
                hello.remote("Ada")
        """
    )
    project.run().assert_outcomes(passed=1)
    project.run("--flash-preview").assert_outcomes(passed=4, failed=1)


def test_a_failed_test_shows_the_logs_of_the_endpoints_that_it_used(project: FlashProject) -> None:
    """And of no others; a test without endpoints shows none."""
    project.tests(
        """
        @pytest.fixture(scope="module")
        def greeter(flash_endpoint):
            return flash_endpoint("greeter")

        def test_direct(flash_endpoint):
            assert not flash_endpoint("api")

        def test_by_fixture(greeter):
            assert not greeter

        def test_again(greeter):
            assert not greeter

        def test_none(): raise AssertionError
        """
    )
    result = project.run("--flash-preview")
    result.assert_outcomes(passed=4, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*_ test_direct _*",
            "*- flash log of api -*",
            "last words of api",
            "*_ test_by_fixture _*",
            "*- flash log of greeter -*",
            "*_ test_again _*",
            "*- flash log of greeter -*",
        ]
    )
    assert "flash log" not in result.stdout.str().partition("_ test_none _")[2]
    assert result.stdout.str().count("last words of api") == 2  # test_again: some fixture of its own may have used it


def test_markers_say_which_run_a_test_belongs_to(project: FlashProject) -> None:
    """In the main run: everything but what is for the deployment only."""
    project.tests(
        """
        @pytest.mark.flash_smoke
        def test_smoke(): pass

        @pytest.mark.flash_preview_only
        def test_preview(): pass

        @pytest.mark.flash_deployed_only
        def test_deployed(): raise AssertionError

        def test_deployment(flash_deployment): raise AssertionError
        """
    )
    result = project.run("--flash-preview", "-rs")
    result.assert_outcomes(passed=6, skipped=2)
    assert result.stdout.str().count("runs after promotion") == 2
