"""The path of a raw URL, percent-encoded as it was sent."""


def path_of(url: str) -> str:
    """Return the path without a slash at its end; whatever the URL holds, it does not fail.

    A host that is none is the caller's doing too, and ``urlsplit`` raises on some.
    """
    _, _, after = url.partition("://")
    path = after.partition("?")[0].partition("#")[0]
    return "/" + path.partition("/")[2].rstrip("/")
