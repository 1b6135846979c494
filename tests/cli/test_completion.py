"""Shell completion, as bash asks for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    asked = {
        "_VANGRAM_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("vangram", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "vangram"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["re"], ["reconstruct", "rerun", "resume"]),
        (["stylize", "--style-"], ["--style-layers", "--style-loss", "--style-mask"]),
        (["stylize", "--colour", ""], ["style", "luminance", "match", "histogram"]),
        (["stylize", "--preset", "b"], ["balanced", "bold"]),
        (["batch", "--format", "w"], ["webp"]),
        (["texture", "--pooling", "a"], ["average"]),
        (["stylize", "--mask", "pic"], []),  # left to bash, which offers files
    ],
)
def test_completion_offers_commands_options_and_choices(
    words: list[str], offered: list[str]
) -> None:
    found = completed(*words)
    assert set(offered) <= set(found)
    assert all(each.startswith(words[-1]) for each in found)
    assert bool(found) == bool(offered)


def test_completion_is_a_script_for_the_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vangram", "--show-completion", "bash"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "_VANGRAM_COMPLETE=complete_bash" in done.stdout
    assert done.stdout.rstrip().endswith("vangram")
