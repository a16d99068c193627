"""The one error that means: the user can mend this; and how its sentence lists names."""

from collections.abc import Sequence


class UserError(Exception):
    """A mistake in the user's params, files or recordings.

    Its text is a single sentence that names the file or key, says what is wrong and what to do.
    Stages print it without a traceback and exit with status 1; anything else that is raised is a
    defect of this project and keeps its traceback.
    """


_NAMED = 5


def first_of(names: Sequence[str]) -> str:
    """Write the first of many names, for a sentence."""
    return ", ".join(names[:_NAMED]) + " …" * (len(names) > _NAMED)
