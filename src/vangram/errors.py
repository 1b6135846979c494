"""Exceptions, as users meet them.

VangramError                any of ours; its text is one line that says what to do
├── InputError              something given cannot be used (exit code 2)
│   ├── SettingError        a setting is out of range, or two contradict each other
│   ├── LayerError          a layer that the network does not have
│   ├── SizeError           a picture too small or too large
│   ├── PictureError        a file that is no picture, or one that cannot be read faithfully
│   ├── OutputError         a place where the result cannot be written
│   │   ├── BusyError       another process is at work on the same result
│   │   └── ExistsError     a file is there already, which may not be overwritten
│   ├── NetworkError        a network that is unknown, missing or damaged
│   ├── RecipeError         a picture that carries no recipe, or one that cannot be followed
│   └── CheckpointError     a checkpoint that is missing or damaged, or that does not fit
├── RankError               a rank of a command under torchrun that has ended or does not answer
│   └── EchoedError         the same where another rank says so
├── ShapeError              tensors whose shapes do not fit together (a programming error)
└── DivergedError           an optimisation that found no finite step even after restarts
"""

import errno
from typing import TypeGuard

OUT_OF_MEMORY = (
    "the memory does not suffice for this picture: try --memory 2GB, or a smaller --size"
)

ADVICE = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space there") | dict.fromkeys(
    (errno.EACCES, errno.EPERM, errno.EROFS), "check the permissions, or choose another place"
)
"""Advice for errors of the system, by their number."""


class VangramError(Exception):
    """Any error of ours; its text is one line that says what to do."""


class InputError(VangramError):
    """Something given cannot be used."""


class SettingError(InputError):
    """A setting is out of range, or two contradict each other."""


class LayerError(InputError):
    """A layer that the network does not have."""


class SizeError(InputError):
    """A picture too small or too large for what is asked."""


class PictureError(InputError):
    """A file that is no picture, or one that cannot be read faithfully."""


class OutputError(InputError):
    """A place where the result cannot be written."""


class BusyError(OutputError):
    """Another process is at work on the same result."""


class ExistsError(OutputError):
    """A file is there already, which may not be overwritten."""


class NetworkError(InputError):
    """A network that is unknown, missing or damaged."""


class RecipeError(InputError):
    """A picture that carries no recipe, or one that cannot be followed."""


class CheckpointError(InputError):
    """A checkpoint that is missing or damaged, or that does not fit."""


class RankError(VangramError):
    """A rank of a command under torchrun has ended, or does not answer."""


class EchoedError(RankError):
    """A RankError that another rank raises, too, and tells."""


class ShapeError(VangramError, ValueError):
    """Tensors whose shapes do not fit together."""


class DivergedError(VangramError):
    """An optimisation that found no finite step even after restarts."""


def line_of(error: BaseException) -> str:
    """One line for any error, as the command line prints it."""
    if isinstance(error, VangramError):
        return " ".join(str(error).split())
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    if is_of_system(error):
        advice = ADVICE.get(error.errno or 0, "check the path")
        named = "a file" if error.filename is None else repr(error.filename)
        return f"{named} cannot be used ({error.strerror}); {advice}"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"unexpected: {what}; VANGRAM_TRACEBACK=1 shows where, please report it"


def is_of_system(error: BaseException) -> TypeGuard[OSError]:
    """Whether the system has refused something to do with a file."""
    return isinstance(error, OSError) and error.errno is not None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is a failed allocation, told by type, error number or allocator."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    if type(error).__module__ == "torch":
        return "out of memory" in text
    # torch has no type for a failure on the CPU.
    allocator = "DefaultCPUAllocator" in text or f"({errno.ENOMEM})" in text
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and allocator)
