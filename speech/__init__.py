"""Gender and speaker classification from speech: what the stages of the pipeline share.

`Voice` listens to your own recordings with the trained models: ``from speech import Voice``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech.hearing.voice import Voice

__all__ = ["Voice"]


def __getattr__(name: str) -> Any:
    # When it is asked for, not before: the stages have no use for what it imports.
    if name == "Voice":
        from speech.hearing.voice import Voice

        return Voice
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
