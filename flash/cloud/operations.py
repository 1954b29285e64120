"""The GraphQL documents that the client sends, one table.

Names and selections are the platform's; ``tests/cloud/test_operations.py`` validates every document against
``flash/schema.graphql``. Those marked as extensions exist on Flash's local platform only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["OPERATIONS", "Operation"]

_HEAD: Final = re.compile(r"\s*(query|mutation)\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Operation:
    """A document with one operation.

    Attributes:
        name: The operation's name, unique in the table.
        is_mutation: Whether it changes anything, so that it must not be sent twice.
        text: The document.
    """

    name: str
    is_mutation: bool
    text: str


_DOCUMENTS: Final = (
    """query getMyself { myself { id } }""",
    """query getFlashApps {
      myself { flashApps { id name flashEnvironments { id name state activeBuildId } flashBuilds { id } } }
    }""",
    """query getFlashAppByName($flashAppName: String!) {
      flashAppByName(flashAppName: $flashAppName) {
        id name flashBuilds { id }
        flashEnvironments { id name state activeBuildId createdAt endpoints { id name } }
      }
    }""",
    """query getFlashBuilds($flashAppId: String!) {
      flashApp(flashAppId: $flashAppId) { id flashBuilds { id objectKey createdAt manifest } }
    }""",
    """query getFlashEnvironment($flashEnvironmentId: String!) {
      flashEnvironment(flashEnvironmentId: $flashEnvironmentId) {
        id name state activeBuildId createdAt endpoints { id name }
      }
    }""",
    """query getFlashEnvironmentByName($input: FlashEnvironmentByNameInput!) {
      flashEnvironmentByName(input: $input) { id name state activeBuildId endpoints { id name } }
    }""",
    """query getFlashBuild($input: String!) {
      flashBuild(flashBuildId: $input) { id objectKey createdAt manifest }
    }""",
    """query getEndpoint($id: String!) { myself { endpoint(id: $id) { id } } }""",
    # the same question, for what an update of it must repeat
    """query getEndpointSettings($id: String!) {
      myself {
        endpoint(id: $id) {
          id name type templateId flashEnvironmentId gpuIds gpuCount minCudaVersion allowedCudaVersions instanceIds
          locations networkVolumeId networkVolumeIds { networkVolumeId dataCenterId } flashBootType idleTimeout
          executionTimeoutMs scalerType scalerValue workersMin workersMax workersPFBTarget
        }
      }
    }""",
    """query getTemplate($id: String!) {
      podTemplate(id: $id) { id containerDiskInGb dockerArgs env { key value } imageName name readme }
    }""",
    """mutation createFlashApp($input: CreateFlashAppInput!) { createFlashApp(input: $input) { id name } }""",
    """mutation deleteFlashApp($flashAppId: String!) { deleteFlashApp(flashAppId: $flashAppId) }""",
    """mutation createFlashEnvironment($input: CreateFlashEnvironmentInput!) {
      createFlashEnvironment(input: $input) { id name }
    }""",
    """mutation PrepareArtifactUpload($input: PrepareFlashArtifactUploadInput!) {
      prepareFlashArtifactUpload(input: $input) { uploadUrl objectKey expiresAt }
    }""",
    """mutation FinalizeArtifactUpload($input: FinalizeFlashArtifactUploadInput!) {
      finalizeFlashArtifactUpload(input: $input) { id manifest }
    }""",
    """mutation deployBuildToEnvironment($input: DeployBuildToEnvironmentInput!) {
      deployBuildToEnvironment(input: $input) { id name }
    }""",
    """mutation updateFlashBuildManifest($input: UpdateFlashBuildManifestInput!) {
      updateFlashBuildManifest(input: $input) { id manifest }
    }""",
    """mutation saveEndpoint($input: EndpointInput!) { saveEndpoint(input: $input) { id name templateId } }""",
    """mutation saveTemplate($input: SaveTemplateInput) {
      saveTemplate(input: $input) { id containerDiskInGb dockerArgs env { key value } imageName name readme }
    }""",
    """mutation deleteEndpoint($id: String!) { deleteEndpoint(id: $id) }""",
    """mutation deleteFlashEnvironment($flashEnvironmentId: String!) {
      deleteFlashEnvironment(flashEnvironmentId: $flashEnvironmentId)
    }""",
    # these two need no key
    """mutation createFlashAuthRequest { createFlashAuthRequest { id status expiresAt } }""",
    """query flashAuthRequestStatus($flashAuthRequestId: String!) {
      flashAuthRequestStatus(flashAuthRequestId: $flashAuthRequestId) { id status expiresAt apiKey }
    }""",
    # extensions
    """query getFlashBuildProblem($input: String!) { flashBuild(flashBuildId: $input) { id flashProblem } }""",
    """query getFlashVersions($id: String!) {
      myself { endpoint(id: $id) { id flashVersions { buildId state isHealthy workers failure logTail } } }
    }""",
    """query getFlashEnvironmentVersions($flashEnvironmentId: String!) {
      flashEnvironment(flashEnvironmentId: $flashEnvironmentId) {
        id endpoints { id flashVersions { buildId state isHealthy workers failure logTail } }
      }
    }""",
    """query getFlashLogs($id: String!, $tail: Int) { myself { endpoint(id: $id) { id flashLogs(tail: $tail) } } }""",
    """mutation retireFlashVersions($flashEnvironmentId: String!) {
      retireFlashVersions(flashEnvironmentId: $flashEnvironmentId)
    }""",
    """query getFlashTraffic($flashEnvironmentId: String!) {
      flashEnvironment(flashEnvironmentId: $flashEnvironmentId) {
        id endpoints { id flashVersions { buildId state share answered failed } }
      }
    }""",
    """mutation setFlashTraffic($flashEnvironmentId: String!, $flashBuildId: String!, $percent: Int!) {
      setFlashTraffic(flashEnvironmentId: $flashEnvironmentId, flashBuildId: $flashBuildId, percent: $percent)
    }""",
    """mutation acquireFlashLease($input: AcquireFlashLeaseInput!) {
      acquireFlashLease(input: $input) {
        isGranted lease { secret holder who since expiresInS } environment { id activeBuildId }
      }
    }""",
    """mutation renewFlashLease($flashEnvironmentId: String!, $leaseId: String!) {
      renewFlashLease(flashEnvironmentId: $flashEnvironmentId, leaseId: $leaseId)
    }""",
    """mutation releaseFlashLease($flashEnvironmentId: String!, $leaseId: String!) {
      releaseFlashLease(flashEnvironmentId: $flashEnvironmentId, leaseId: $leaseId)
    }""",
)


def _operation(text: str) -> Operation:
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"not a named operation: {text!r}")
    return Operation(name=head[2], is_mutation=head[1] == "mutation", text=text)


OPERATIONS: Final[dict[str, Operation]] = {operation.name: operation for operation in map(_operation, _DOCUMENTS)}
