"""Checkpoints: what comes back is what went in to the last bit, or is refused."""

from __future__ import annotations

import json
import math
import os
import struct
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor

from tests.support import Counted, noise, quadratic
from vangram.errors import CheckpointError, OutputError
from vangram.objective import Term
from vangram.optimize import LBFGS, Adam, Level, LevelState, Optimizer, RunState, Step, descend
from vangram.optimize.state import TENSOR
from vangram.run import Checkpoint, read_checkpoint, write_checkpoint
from vangram.run.checkpoint_file import BLANK, DIGEST, FORMAT, LENGTH
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Input, Record
from vangram.storage.tensors import SpilledStorage

RECORD = Record(
    recipe=Recipe(size=64, tv_weight=0.1),
    inputs=Inputs(content=Input("photo \n é.jpg", "aa"), styles=(Input("painting.jpg", None),)),
    network_sha256="cc",
    versions={"torch": "2.13", "threads": "2"},
)
LEVEL = Level(number=1, of=1, size=(4, 5), steps=15, work_before=0.0, work=1.0)
OPTIMIZERS = pytest.mark.parametrize("optimizer", [lambda: LBFGS(history=3), Adam])


def with_terms(image: Tensor) -> Any:
    found = Counted(quadratic)(image)
    terms = (Term("content", "relu1_1", found.loss / 3, 3.0), Term("tv", "", 0.1, 0.0))
    # As a network that works with channels innermost returns it.
    gradient = found.gradient.contiguous(memory_format=torch.channels_last)
    return replace(found, terms=terms, gradient=gradient)


def descent(optimizer: Optimizer) -> list[Step]:
    return list(descend(LevelState.start(noise(2)), with_terms, optimizer, LEVEL))


def bits(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1).view(torch.uint8)


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal to the last bit and in the order in memory, whatever they are made of."""
    if isinstance(ours, Tensor):
        assert ours.dtype == theirs.dtype
        assert ours.stride() == theirs.stride()
        assert torch.equal(bits(ours), bits(theirs))
    elif isinstance(ours, Mapping):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, RunState | LevelState):
        assert_same(vars(ours), vars(theirs))
    elif isinstance(ours, float):
        assert struct.pack("d", ours) == struct.pack("d", theirs)
    else:
        assert ours == theirs


def kept(path: Path, position: RunState | None) -> RunState | None:
    """A position, written and read."""
    write_checkpoint(path, Checkpoint(RECORD, position))
    checkpoint = read_checkpoint(path)
    assert checkpoint.record == RECORD
    return checkpoint.position


def position_of(**state: Any) -> RunState:
    return RunState(1, LevelState.start(noise(2)), state)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.png.checkpoint"


@OPTIMIZERS
def test_position_comes_back_to_the_last_bit(path: Path, optimizer: Callable[[], Any]) -> None:
    for step in descent(optimizer()):
        assert_same(kept(path, step.state), step.state)


@OPTIMIZERS
def test_descent_goes_on_bit_for_bit_from_every_step(
    path: Path, optimizer: Callable[[], Any]
) -> None:
    whole = descent(optimizer())
    assert len(whole) == LEVEL.steps
    for step in whole[:-1]:
        position = kept(path, step.state)
        assert position is not None
        assert position.optimizer is not None
        again = optimizer()
        again.restore(position.optimizer)
        rest = list(descend(position.level_state, with_terms, again, LEVEL))
        for ours, theirs in zip(rest, whole[step.number :], strict=True):
            assert_same(ours.state, theirs.state)
            assert (ours.number, ours.loss, ours.terms) == (
                theirs.number,
                theirs.loss,
                theirs.terms,
            )


@OPTIMIZERS
def test_descent_goes_on_without_evaluating_again(path: Path, optimizer: Callable[[], Any]) -> None:
    evaluate, again = Counted(quadratic), optimizer()
    steps = descend(LevelState.start(noise(2)), evaluate, optimizer(), LEVEL)
    position = kept(path, next(steps).state)
    assert position is not None
    assert position.optimizer is not None
    again.restore(position.optimizer)
    before = evaluate.calls
    next(descend(position.level_state, evaluate, again, LEVEL))
    assert evaluate.calls == before + 1


@OPTIMIZERS
def test_restarted_optimiser_is_as_careful_when_it_comes_back(
    path: Path, optimizer: Callable[[], Any]
) -> None:
    moving, again = optimizer(), optimizer()
    image = moving.move(noise(2), with_terms).image
    moving.restart()
    position = kept(path, position_of(**moving.state()))
    assert position is not None
    assert position.optimizer is not None
    again.restore(position.optimizer)
    assert_same(again.move(image, with_terms).image, moving.move(image, with_terms).image)


@OPTIMIZERS
def test_optimiser_that_has_forgotten_goes_elsewhere(optimizer: Callable[[], Any]) -> None:
    whole = descent(optimizer())
    rest = list(descend(whole[5].state.level_state, with_terms, optimizer(), LEVEL))
    assert not torch.equal(rest[-1].image, whole[-1].image)


@OPTIMIZERS
def test_state_stays_as_it_was_when_moves_follow(optimizer: Callable[[], Any]) -> None:
    moving, image = optimizer(), noise(2)
    image = moving.move(image, with_terms).image
    position = position_of(**moving.state())
    plain, tensors = position.parts()
    before = [tensor.clone() for tensor in tensors]
    for _ in range(6):
        image = moving.move(image, with_terms).image
    moving.restart()
    after = position.parts()
    assert plain == after[0]
    assert_same(before, after[1])


def test_tensor_shared_is_written_once_and_comes_back_shared(path: Path) -> None:
    image = noise(2)
    position = kept(
        path, RunState(1, LevelState(image, image, 3, 1.0), {"here": [image, noise(3)]})
    )
    assert position is not None
    assert position.optimizer is not None
    assert position.level_state.image is position.level_state.lowest_image
    assert position.level_state.image is position.optimizer["here"][0]
    size = image.numel() * image.element_size()
    assert 2 * size < path.stat().st_size < 3 * size + 3000
    with safe_open(path, "pt") as file:
        assert len(file.keys()) == 2


def layouts() -> dict[str, Tensor]:
    whole = torch.arange(240.0).view(1, 3, 8, 10)
    return {
        "contiguous": whole,
        "channels last": whole.contiguous(memory_format=torch.channels_last),
        "transposed": whole.transpose(2, 3),
        "one channel": whole[:, :1].contiguous(memory_format=torch.channels_last),
        "vector": torch.arange(7.0),
        "scalar": torch.tensor(3.0),
        "double": whole.double(),
        "half": whole.half(),
        "bfloat16": whole.bfloat16(),
        "not finite": torch.tensor([math.inf, -math.inf, math.nan, -0.0, 5e-324]),
    }


@pytest.mark.parametrize("name", layouts())
def test_layout_comes_back(path: Path, name: str) -> None:
    tensor = layouts()[name]
    position = kept(path, position_of(here=tensor))
    assert position is not None
    assert position.optimizer is not None
    assert_same(position.optimizer["here"], tensor)


@pytest.mark.parametrize(
    "view", [layouts()["contiguous"][..., ::2], torch.ones(1).expand(1, 3, 4, 5)]
)
def test_view_with_gaps_comes_back_without_them(path: Path, view: Tensor) -> None:
    position = kept(path, position_of(here=view))
    assert position is not None
    assert position.optimizer is not None
    assert_same(position.optimizer["here"], view.contiguous())


@given(st.floats(), st.integers(), st.text(), st.booleans())
def test_plain_values_come_back(
    tmp_path_factory: pytest.TempPathFactory, number: float, whole: int, text: str, truth: bool
) -> None:
    assume(text != TENSOR)  # the one key that is spoken for
    path = tmp_path_factory.getbasetemp() / "plain.checkpoint"
    state = {"values": [number, whole, text, truth, None], "nested": {text: {"tensors": number}}}
    position = kept(path, position_of(**state))
    assert position is not None
    assert not isinstance(position.optimizer, Tensor)
    if math.isnan(number):  # of which JSON knows one
        return
    assert_same(position.optimizer, state)


def test_lowest_loss_of_infinity_comes_back(path: Path) -> None:
    position = kept(path, RunState(1, LevelState.start(noise(2)), None))
    assert position is not None
    assert position.level_state.lowest == math.inf
    assert position.optimizer is None


def test_checkpoint_without_position_comes_back(path: Path) -> None:
    assert kept(path, None) is None


def test_checkpoint_is_a_safetensors_file(path: Path) -> None:
    gradient = layouts()["channels last"]
    write_checkpoint(path, Checkpoint(RECORD, position_of(gradient=gradient)))
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["vangram"])["format"] == FORMAT
        assert torch.equal(file.get_tensor("0"), noise(2))
        assert torch.equal(file.get_tensor("1"), gradient.permute(0, 2, 3, 1))


@pytest.fixture
def whole(path: Path) -> bytes:
    """A checkpoint's bytes."""
    write_checkpoint(path, Checkpoint(RECORD, descent(LBFGS(history=1))[3].state))
    return path.read_bytes()


def assert_refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    said = str(caught.value)
    assert "\n" not in said
    assert repr(str(path)) in said
    return said


def test_flipped_bit_is_found_wherever_it_is(path: Path, whole: bytes) -> None:
    header = LENGTH + int.from_bytes(whole[:LENGTH], "little")
    spots = {0, 1, 7, DIGEST.start, DIGEST.stop - 1, header - 1, header, len(whole) - 1}
    for spot in sorted(spots | set(range(0, len(whole), 13))):
        damaged = bytearray(whole)
        damaged[spot] ^= 1 << spot % 8
        assert_refused(path, bytes(damaged))


@pytest.mark.parametrize("share", [0.0, 1e-3, 0.01, 0.3, 0.9, 0.999])
def test_truncated_checkpoint_is_refused(path: Path, whole: bytes, share: float) -> None:
    assert "damaged" in assert_refused(path, whole[: int(share * len(whole))])


@pytest.mark.parametrize("more", [b"\0", b" ", b"more of it"])
def test_checkpoint_with_something_after_it_is_refused(
    path: Path, whole: bytes, more: bytes
) -> None:
    assert "damaged" in assert_refused(path, whole + more)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 100, b"[" * 10_000]
)
def test_file_that_is_no_checkpoint_is_refused(path: Path, content: bytes) -> None:
    assert "damaged" in assert_refused(path, content)


def changed(content: bytes, old: bytes, new: bytes) -> bytes:
    """A checkpoint with another text of the same length, and the digest that belongs to it."""
    assert old in content
    assert len(old) == len(new)
    content = content.replace(old, new)
    before, after = content[: DIGEST.start], content[DIGEST.stop :]
    return before + sha256(before + BLANK.encode() + after).hexdigest().encode() + after


def test_checkpoint_of_a_newer_format_is_refused(path: Path, whole: bytes) -> None:
    newer = changed(whole, b'\\"format\\": %d,' % FORMAT, b'\\"format\\": %d,' % (FORMAT + 1))
    said = assert_refused(path, newer)
    assert f"format {FORMAT + 1}, this vangram reads {FORMAT}" in said


def test_checkpoint_whose_recipe_is_unknown_here_is_refused(path: Path, whole: bytes) -> None:
    assert "'hue_angle'" in assert_refused(path, changed(whole, b"tolerance", b"hue_angle"))


def test_missing_checkpoint_and_folder_are_refused(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "no", "there is no"), (tmp_path, "cannot be read")):
        with pytest.raises(CheckpointError, match=said):
            read_checkpoint(path)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_full_disk_leaves_the_previous_checkpoint_and_nothing_else(
    path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    position = descent(Adam())[5].state
    monkeypatch.setattr("builtins.open", full_after(after))
    with pytest.raises(OutputError, match="No space left"):
        write_checkpoint(path, Checkpoint(RECORD, position))
    monkeypatch.undo()
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == [path.name]


def full_after(writes: int) -> Callable[..., Any]:
    """An `open` onto a disk that takes no more than so many writes."""
    real, left = open, writes

    def opening(*arguments: Any, **options: Any) -> Any:
        handle = real(*arguments, **options)
        write = handle.write

        class Full:
            def __enter__(self) -> Full:
                return self

            def __exit__(self, *reason: object) -> None:
                handle.close()

            def __getattr__(self, name: str) -> Any:
                return getattr(handle, name)

            def write(self, data: bytes) -> int:
                nonlocal left
                if left == 0:
                    raise OSError(28, "No space left on device")
                left -= 1
                return int(write(data))

        return Full()

    return opening


def test_writing_copies_nothing(path: Path) -> None:
    # numpy and bytes are what a copy would be made of; torch's own memory is not traced, and
    # none is asked for.
    position = position_of(vectors=[torch.rand(1, 3, 512, 512) for _ in range(8)])
    tracemalloc.start()
    try:
        write_checkpoint(path, Checkpoint(RECORD, position))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 8 * 3 * 512 * 512 * 4
    assert peak < 500_000


def test_tensors_that_are_large_beside_the_runs_memory_are_read_into_files(path: Path) -> None:
    position = position_of(gradient=noise(5))
    for memory, spilled in ((10**9, False), (1000, True)):
        recipe = RECORD.recipe.replace(memory=memory)
        write_checkpoint(path, Checkpoint(replace(RECORD, recipe=recipe), position))
        before = len(SpilledStorage.maps)
        read = read_checkpoint(path).position
        assert read is not None
        assert (len(SpilledStorage.maps) > before) == spilled
        assert_same(read.optimizer, position.optimizer)
