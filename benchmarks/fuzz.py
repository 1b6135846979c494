"""Mutated files, read in bounded memory and time: what goes wrong is counted.

    python -m benchmarks.fuzz --pictures 10000 --files 1000 --seed 0 [--keep FOLDER]

Each picture is one of `originals`, mutated. A worker reads it as a picture, its frames, its recipe
and as a mask. The other files are checkpoints, recipes, records, manifests, tables of pairs, masks
and parameters (`benchmarks.fuzz_files`). Counted as failures: an exception that is none of ours, or
whose text is more than a printable line (traceback), more than `SECONDS` (hang), the end of the
process (crash), more memory than `MEMORY`, and of files whose checksums were not mended, contents
that differ without a note (damaged in silence). The same seed gives the same files; `--keep` saves
those that fail.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import struct
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms, PngImagePlugin

from benchmarks.fuzz_files import FileKind, change_a_value, change_a_word, file_kinds
from vangram.errors import VangramError
from vangram.images import (
    Picture,
    largest_within,
    read_frames,
    read_picture,
    read_recipe,
    regions,
    write_picture,
)

SECONDS, STARTING = 10.0, 300.0
"""For a file, and for the first, before which the process starts: a minute on a busy machine."""
MEMORY = 2**30
"""Bytes that the process may grow by."""
PICTURE_MEMORY = MEMORY // 4
"""Bytes that a picture may be read in."""
MOST_FRAMES = 20


@dataclass(frozen=True)
class Original:
    """A file to mutate."""

    name: str
    data: bytes
    checked: bool = False
    """Whether checksums guard all that its contents depend on."""
    kind: FileKind | None = None
    """How it is read; None: as a picture."""


def originals() -> list[Original]:
    """Small pictures of every format that is read, and of what is special in each."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    smooth = np.linspace(40, 220, 24 * 32).reshape(24, 32).astype(np.uint8)
    colours, alpha = Image.fromarray(noise[..., :3]), Image.fromarray(noise)
    grey, deep = Image.fromarray(smooth), Image.fromarray(smooth.astype(np.uint16) * 257)
    frames = [Image.fromarray(np.roll(noise, n, 1)) for n in range(3)]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[274], exif[315] = 6, "somebody"
    exif[34853] = {1: "N"}
    more = {"exif": exif.tobytes(), "icc_profile": profile}
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "some text", zip=True)
    found = []

    def add(name: str, image: Image.Image, format: str, **options: object) -> None:
        file = io.BytesIO()
        image.save(file, format, **options)
        found.append(Original(name, file.getvalue(), format == "PNG"))

    animated = {"save_all": True, "append_images": frames[1:]}
    add("rgb.png", colours, "PNG", pnginfo=text, **more)
    add("palette.png", colours.convert("P"), "PNG", transparency=3)
    add("animated.png", alpha, "PNG", **animated)
    add("grey16.png", deep, "PNG")
    add("rgb.jpg", colours, "JPEG", **more)
    add("progressive.jpg", colours, "JPEG", progressive=True, quality=60)
    add("cmyk.jpg", colours.convert("CMYK"), "JPEG")
    add("lossy.webp", grey.convert("RGB"), "WEBP", **more)
    add("lossless.webp", alpha, "WEBP", lossless=True)
    add("animated.webp", alpha, "WEBP", **animated)
    add("raw.tif", colours, "TIFF", **more)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        add(f"{compression}.tif", colours, "TIFF", compression=compression)
    add("pages.tif", alpha, "TIFF", **animated)
    add("grey16.tif", deep, "TIFF")
    add("rgb.avif", colours, "AVIF", speed=10, **more)
    add("palette.gif", colours.convert("P"), "GIF")
    add("animated.gif", colours.convert("P"), "GIF", save_all=True, append_images=frames[1:])
    add("rgb.bmp", colours, "BMP")
    add("palette.bmp", colours.convert("P"), "BMP")
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
        add("rgb.heic", colours, "HEIF", **more)
    with suppress(ImportError):
        tifffile, file = import_module("tifffile"), io.BytesIO()
        deep_colours = noise.astype(np.uint16) * 257
        tifffile.imwrite(file, deep_colours, photometric="rgb", extrasamples=["unassalpha"])
        found.append(Original("rgba16.tif", file.getvalue()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.png"
        write_picture(path, torch.rand(1, 3, 8, 8), recipe='{"a": "recipe"}')
        found.append(Original("own.png", path.read_bytes(), checked=True))
    found += [_deep_png(noise.astype(np.uint16) * 257), _colour_png(noise[..., :3])]
    return found


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), name) + body + struct.pack(">I", zlib.crc32(name + body))


def _png(header: bytes, rows: bytes, *before: bytes) -> bytes:
    parts = (_chunk(b"IHDR", header), *before, _chunk(b"IDAT", zlib.compress(rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + _chunk(b"IEND", b"")


def _deep_png(levels: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> Original:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">2I5B", levels.shape[1], levels.shape[0], 16, 6, 0, 0, 0)
    return Original("rgba16.png", _png(header, rows), checked=True)


def _colour_png(levels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Original:
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">2I5B", levels.shape[1], levels.shape[0], 8, 2, 0, 0, 0)
    gamma = _chunk(b"gAMA", (60_000).to_bytes(4, "big"))
    primaries = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    chunks = gamma, _chunk(b"cHRM", struct.pack(">8I", *primaries))
    return Original("gamma.png", _png(header, rows, *chunks), checked=True)


Mutation = Callable[[bytearray, random.Random], None]


def _flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: random.Random) -> None:
    at, length = chance.randrange(len(data)), chance.choice((1, 2, 4, 8))
    value = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80", chance.randbytes(1)))
    data[at : at + length] = (value * length)[: len(data) - at]


def _zero(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    end = chance.choice((len(data), min(len(data), at + 512), min(len(data), at + 16)))
    data[at:end] = bytes(end - at)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice((1, 4, 12, 100))]


def _insert(data: bytearray, chance: random.Random) -> None:
    at, from_ = chance.randrange(len(data)), chance.randrange(len(data))
    length = chance.choice((1, 4, 12, 100))
    data[at:at] = chance.choice((chance.randbytes(length), bytes(data[from_ : from_ + length])))


def _number(data: bytearray, chance: random.Random) -> None:
    """A number of 2 or 4 bytes, near or far, as sizes and offsets are."""
    size, order = chance.choice((2, 4)), chance.choice(("little", "big"))
    at = chance.randrange(max(len(data) - size, 1))
    value = chance.choice((0, 1, 2**15, 2 ** (8 * size) - 1, chance.randrange(2 ** (8 * size))))
    data[at : at + size] = value.to_bytes(size, "little" if order == "little" else "big")


MUTATIONS: tuple[Mutation, ...] = (_flip_bits, _overwrite, _zero, _cut, _remove, _insert, _number)
TEXT_MUTATIONS = (*MUTATIONS, *[change_a_word] * 3, *[change_a_value] * 30)
"""Mostly values, since hardly any other change leaves a text that can be parsed."""


def mutated(original: Original, chance: random.Random) -> tuple[bytes, bool]:
    """A mutated file; and whether it must be as it was, if it is read without a note."""
    data, kind = bytearray(original.data), original.kind
    mutations = MUTATIONS if kind is None or not kind.text else TEXT_MUTATIONS
    for _ in range(chance.choice((1, 1, 2, 4))):
        if data:
            chance.choice(mutations)(data, chance)
    mend = _mended if original.name.endswith(".png") else None if kind is None else kind.mend
    if mend is None or chance.random() < 0.5:
        return bytes(data), original.checked
    return mend(bytes(data)), False


def _mended(data: bytes) -> bytes:
    """A PNG with the right checksums, as far as its chunks go."""
    out, position = bytearray(data), 8
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            break
        out[end - 4 : end] = zlib.crc32(data[position + 4 : end - 4]).to_bytes(4, "big")
        position = end
    return bytes(out)


@dataclass
class Outcome:
    """What became of a file."""

    kind: str
    """read, note, refused; or a failure: traceback, silent, memory, hang, crash."""
    words: str = ""


FAILURES = ("traceback", "silent", "memory", "hang", "crash")


def read_all(path: Path) -> tuple[Picture, list[Picture]]:
    """A file as a picture, its frames, its recipe and a mask, in the memory that is allowed."""
    largest = largest_within(PICTURE_MEMORY)
    picture = read_picture(path, largest=largest, wanted=32)
    with suppress(VangramError):
        read_recipe(path)
    with suppress(VangramError):
        regions(picture)
    frames = []
    with suppress(VangramError), read_frames(path, largest=largest) as (count, found):
        frames = [frame for _, frame in zip(range(min(count, MOST_FRAMES)), found, strict=False)]
    return picture, frames


def value_of(original: Original, path: Path) -> Any:
    """What a file is read as: the picture and its frames, or what its kind says."""
    if original.kind is not None:
        return original.kind.read(path)
    picture, frames = read_all(path)
    return [picture, *frames]


def judge(original: Original, path: Path, wanted: Any) -> Outcome:
    """Read a file; with the value that it must have, if it is read without a note, or None."""
    before = _peak()
    try:
        value = value_of(original, path)
    except VangramError as error:
        words = str(error)
        if not words.isprintable() or "takes more memory" in words:
            return Outcome("traceback", words)
        outcome = Outcome("refused", words)
    except Exception:
        return Outcome("traceback", traceback.format_exc())
    else:
        notes = () if original.kind is not None else value[0].notes
        outcome = Outcome("note" if notes else "read", " ".join(notes))
        if wanted is not None and (differs := _difference(original, value, wanted)):
            return Outcome("silent", differs)
    return Outcome("memory", f"{_peak() - before}") if _peak() - before > MEMORY else outcome


def _difference(original: Original, value: Any, wanted: Any) -> str:
    """What of a value is not as it must be; empty: nothing."""
    if original.kind is not None:
        return "" if value == wanted else "its contents differ"
    (picture, *frames), (other, *others) = value, wanted
    if not _same(picture, other):
        return "the picture differs"
    if not frames or frames[0].notes:  # they are refused, or what was lost is told
        others = others[: len(frames)]
    if len(frames) != len(others):
        return "frames are missing"
    pairs = zip(frames, others, strict=True)
    return "" if all(_same(*pair) for pair in pairs) else "a frame differs"


def _same(one: Picture, other: Picture) -> bool:
    """Whether a picture is another, or says by a note that it is not."""
    if one.notes:
        return True
    if not torch.equal(one.pixels, other.pixels) or (one.alpha is None) != (other.alpha is None):
        return False
    return one.alpha is None or other.alpha is None or torch.equal(one.alpha, other.alpha)


def _peak() -> int:
    """Most memory that the process has ever taken, in bytes; 0 where it cannot be told."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def work(make: Callable[[], list[Original]], seed: int, path: Path, pipe: Connection) -> None:
    """Mutate and read the files whose numbers come through a pipe, and send back the outcomes."""
    torch.set_num_threads(1)
    found = make()
    wanted: dict[str, Any] = {}
    for original in found:
        path.write_bytes(original.data)
        wanted[original.name] = value_of(original, path)
    while (number := pipe.recv()) is not None:
        original, data, strict = file_of(number, seed, found)
        path.write_bytes(data)
        pipe.send(judge(original, path, wanted[original.name] if strict else None))


def other_files() -> list[Original]:
    """Files that are no pictures to look at, one of each kind."""
    return [Original(name, kind.data, kind.pinned, kind) for name, kind in file_kinds().items()]


def file_of(number: int, seed: int, found: list[Original]) -> tuple[Original, bytes, bool]:
    """The original, the mutated file, and whether it must be as the original is."""
    chance = random.Random(f"{seed} {number}")
    original = found[number % len(found)]
    return original, *mutated(original, chance)


@dataclass
class Tally:
    """Outcomes by the original's name."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[tuple[int, str, Outcome]] = field(default_factory=list)

    def add(self, number: int, name: str, outcome: Outcome) -> None:
        """Count an outcome."""
        self.counts.setdefault(name, Counter())[outcome.kind] += 1
        if outcome.kind in FAILURES:
            self.failures.append((number, name, outcome))


def run(
    count: int,
    seed: int,
    keep: Path | None = None,
    make: Callable[[], list[Original]] = originals,
) -> Tally:
    """Read so many mutated files in a process of its own, which a hang or a crash ends."""
    context, tally, found = multiprocessing.get_context("spawn"), Tally(), make()
    with tempfile.TemporaryDirectory() as folder:
        path, process = Path(folder) / "file", None
        for number in range(count):
            if process is None:
                ours, theirs = context.Pipe()
                given = (make, seed, path, theirs)
                process = context.Process(target=work, args=given, daemon=True)
                process.start()
                theirs.close()
                allowed = STARTING
            try:
                ours.send(number)
                outcome = ours.recv() if ours.poll(allowed) else Outcome("hang")
            except (EOFError, OSError):
                outcome = Outcome("crash")
            allowed = SECONDS
            original, data, _ = file_of(number, seed, found)
            tally.add(number, original.name, outcome)
            if outcome.kind in FAILURES and keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{number}-{outcome.kind}-{original.name}").write_bytes(data)
            if outcome.kind in ("hang", "crash"):
                process.kill()
                process.join()
                process = None
        if process is not None:
            ours.send(None)
            process.join()
    return tally


def main() -> None:
    """The command line; exits with 1 after failures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=1_000, help="of other kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that fail")
    options = parser.parse_args()
    started = time.monotonic()
    tally = run(options.pictures, options.seed, options.keep)
    others = run(options.files, options.seed, options.keep, other_files)
    tally = Tally(tally.counts | others.counts, tally.failures + others.failures)
    print("| file | read | with a note | refused | failed |\n|---|---|---|---|---|")
    for name, counts in sorted(tally.counts.items()):
        failed = sum(counts[kind] for kind in FAILURES)
        print(f"| {name} | {counts['read']} | {counts['note']} | {counts['refused']} | {failed} |")
    for number, name, outcome in tally.failures:
        print(f"{number} {name}: {outcome.kind}\n{outcome.words}")
    seconds = time.monotonic() - started
    totals = sum(tally.counts.values(), Counter())
    print(
        f"{options.pictures + options.files} files in {seconds:.0f} s:",
        ", ".join(f"{totals[k]} {k}" for k in FAILURES),
    )
    raise SystemExit(bool(tally.failures))


if __name__ == "__main__":
    main()
