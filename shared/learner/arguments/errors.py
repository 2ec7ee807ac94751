"""Why a learning setting cannot be used."""


class ArgumentsError(ValueError):
    """A learning setting cannot be used.

    Attributes:
        argument: Its name, such as ``--bag``.
    """

    def __init__(self, argument: str, message: str) -> None:
        """Complain about ``argument``."""
        super().__init__(message)
        self.argument = argument


class UnsupportedArgument(ArgumentsError):
    """Vowpal Wabbit may know the argument; this learner does not."""


class InvalidArgument(ArgumentsError):
    """The argument is known, its value is not usable."""
