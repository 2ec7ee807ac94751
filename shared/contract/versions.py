"""The published versions of the Personalizer API."""

from enum import StrEnum

from shared.contract.errors import ContractError, ErrorCode


class ApiVersion(StrEnum):
    """In order of publication; the last one stands in the query instead of the path."""

    V1_0 = "v1.0"
    V1_1_PREVIEW_1 = "v1.1-preview.1"
    V1_1_PREVIEW_2 = "v1.1-preview.2"
    V1_1_PREVIEW_3 = "v1.1-preview.3"
    V2022_09_01_PREVIEW = "2022-09-01-preview"

    @property
    def rank(self) -> int:
        """Position in the order of publication."""
        return list(ApiVersion).index(self)

    def includes(self, other: "ApiVersion") -> bool:
        """Whether this version has what was introduced with ``other``."""
        return self.rank >= other.rank


def parse_version(segment: str | None, query: str | None) -> ApiVersion:
    """Return the version that a request names.

    Args:
        segment: The path's segment after ``personalizer/``; None in version-less paths.
        query: The value of ``api-version``, which version-less paths need.

    Raises:
        ContractError: There is no such version.
    """
    in_path = [version for version in ApiVersion if version is not ApiVersion.V2022_09_01_PREVIEW]
    if segment is not None:
        for version in in_path:
            if segment.lower() == version:
                return version
        raise ContractError(
            ErrorCode.RESOURCE_NOT_FOUND,
            f"There is no such API version; supported are {', '.join(in_path)}, and "
            "?api-version=2022-09-01-preview without a version in the path.",
            "version",
        )
    if query == ApiVersion.V2022_09_01_PREVIEW:
        return ApiVersion.V2022_09_01_PREVIEW
    raise ContractError(
        ErrorCode.BAD_REQUEST,
        "A path without a version needs ?api-version=2022-09-01-preview.",
        "api-version",
    )
