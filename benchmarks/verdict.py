"""Whether a goal was reached, in the word that all benchmarks print."""


def passed(reached: bool) -> str:
    """Return ``pass`` or ``miss``."""
    return "pass" if reached else "miss"
