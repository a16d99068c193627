"""How people read times, and what was predicted."""

from speech.storage.results import NOTHING

_SUREST = 0.99


def clock(seconds: float) -> str:
    """Write a time as people do: 1:02.5 is a minute and two seconds and a half."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def with_percent(name: str | None, probability: float | None) -> str:
    """Write what was predicted with its probability, or a dash for none."""
    if name is None or probability is None:
        return name or NOTHING
    # No model is certain.
    percent = ">99" if probability > _SUREST else f"{100 * probability:.0f}"
    # In brackets, because many corpora name their speakers by numbers.
    return f"{name} ({percent} %)"
