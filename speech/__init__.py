"""Gender and speaker classification from speech: what the stages of the pipeline share.

`Recogniser` applies the trained models to your own recordings:
``from speech import Recogniser``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech.inference.recogniser import Recogniser

__all__ = ["Recogniser"]


def __getattr__(name: str) -> Any:
    # When it is asked for, not before: the stages have no use for what it imports.
    if name == "Recogniser":
        from speech.inference.recogniser import Recogniser

        return Recogniser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
