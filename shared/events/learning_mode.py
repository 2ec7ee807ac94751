"""Who decides, and what is learned from it."""

from enum import StrEnum


class LearningMode(StrEnum):
    """How a loop uses its model.

    Attributes:
        ONLINE: The model decides and learns from rewards.
        APPRENTICE: The caller's baseline action (the first one offered) is always shown; the
            model learns to choose it too, and rewards only tell how well the baseline does.
        LOGGING_ONLY: The baseline action is always shown; the model learns from its rewards.
    """

    ONLINE = "Online"
    APPRENTICE = "Apprentice"
    LOGGING_ONLY = "LoggingOnly"
