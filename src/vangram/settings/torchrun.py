"""The environment variables that torchrun sets for this process."""

from __future__ import annotations

import os


def rank_count() -> int:
    """Number of ranks that run this command; 1 without torchrun."""
    names = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    return _number("WORLD_SIZE", 1) if all(map(os.environ.get, names)) else 1


def ranks_here() -> int:
    """Number of ranks on this machine."""
    return max(_number("LOCAL_WORLD_SIZE", 1), 1) if rank_count() > 1 else 1


def rank() -> int:
    """Number of this process among the ranks, from 0."""
    return _number("RANK", 0) if rank_count() > 1 else 0


def rank_here() -> int:
    """Number of this process among the ranks on this machine, from 0: that of its GPU."""
    return _number("LOCAL_RANK", 0)


def is_launched() -> bool:
    """Whether torchrun started this command, which then resumes an unfinished run by itself."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def has_agent_store() -> bool:
    """Whether torchrun, rather than rank 0, has the store where the ranks find each other."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def restarts() -> int:
    """Number of restarts by torchrun, each after a rank has failed."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0)


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise
