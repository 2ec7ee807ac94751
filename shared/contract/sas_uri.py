"""The address of a container that logs were mirrored to, with its signature.

This app never contacts it. It is checked all the same: settings travel to where it may be, and an
address that a caller may choose freely is one of a server inside somebody's network.
"""

import re

MAX_LENGTH = 4096

EXPECTED = "an https address of an Azure Blob Storage container with a SAS"

PATTERN = (
    r"https://[a-z0-9]{3,24}(\.z[0-9]{1,2})?\.blob\."
    r"(core\.windows\.net|core\.usgovcloudapi\.net|core\.chinacloudapi\.cn|storage\.azure\.net)"
    r"(:443)?/[$a-z0-9][a-z0-9-]{1,62}/?\?(?=([^#]*&)?sig=[^&])[A-Za-z0-9%&=+/:._~,;-]+"
)
"""No other scheme, host, port or user, no address by number, no fragment and no white space."""

_matches = re.compile(PATTERN, re.ASCII).fullmatch


def is_sas_uri(text: str) -> bool:
    """Return whether a text is such an address; the empty text is none to have."""
    return not text or (len(text) <= MAX_LENGTH and _matches(text) is not None)
