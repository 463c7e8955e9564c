"""What the fuzzer does to a scene's files: damage, lies and traps, drawn by a seed."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from tests.fuzz import scenes


@dataclass(frozen=True)
class Trap:
    """What lies where a file should: a link (to `target`), a folder, a pipe, or a file of `size`
    bytes that takes no room."""

    kind: Literal["link", "folder", "pipe", "sparse"]
    target: str = ""
    size: int = 0


Files = dict[str, bytes | Trap]
_Bytes = Callable[[Random, bytes], bytes]

_NUMBERS = (
    *("nan", "inf", "-inf", "NaN", "1e999", "-1e308", "1e160", "1e40", "1e-320", "-0", "0", "-1"),
    *("18446744073709551615", "9223372036854775808", "4294967296", "2147483648", "1048575"),
    *("0x10", "1_0", "١", "true", "null", "1,5", "1" + "0" * 400, "1" + "0" * 5000),
)
_DOUBLES = (math.nan, math.inf, -math.inf, 1e308, -1e160, 1e40, 5e-324, 0.0, -1.0, 2.0**63)
_COUNTS = (2**64 - 1, 2**63, 2**40, 2**32 - 1, 2**31, 2**28, 0, 1)
_NAMES = ("", ".", "..", "/", "../../x.png", "/etc/passwd", "a\0b", "\ud800", "ä" * 4000, "images")
_DEEP = 100_000
_SPARSE = 1 << 40


def made(reader: str, seed: int, index: int) -> Files:
    """Return the files of input `index`: a scene of a reader's with one to three mutations."""
    random = Random(f"{seed}/{index}")
    files: Files = dict(scenes.READERS[reader]())
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        _mutate(random, files, reader)
    return files


def lay(files: Files, root: Path) -> None:
    """Write files and traps below a folder."""
    for name, content in files.items():
        path = os.fsencode(root / name)  # a name may be of bytes that are no UTF-8
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        if isinstance(content, bytes):
            with open(path, "wb") as stream:  # noqa: PTH123
                stream.write(content)
        elif content.kind == "link":
            os.symlink(content.target, path)  # noqa: PTH211
        elif content.kind == "folder":
            os.mkdir(path)  # noqa: PTH102
        elif content.kind == "pipe":
            os.mkfifo(path)
        else:
            with open(path, "wb") as stream:  # noqa: PTH123
                stream.truncate(content.size)


def _mutate(random: Random, files: Files, reader: str) -> None:
    """Change one file: mostly one of those that describe the scene, but of `images` an image."""
    pictures = [name for name in files if _suffix(name) in ("png", "jpg", "webp", "bmp")]
    others = [name for name in files if name not in pictures]
    pool = pictures if random.random() < (0.9 if reader == "images" else 0.15) else others
    name = random.choice(pool or list(files))
    content = files[name]
    if isinstance(content, Trap) or random.random() < 0.1:
        _set_trap(random, files, name)
        return
    kinds: list[_Bytes] = [*_PLAIN]
    if name in pictures:
        kinds += _IMAGE * 2
    elif _suffix(name) == "json":
        kinds += [*_TEXT, *_JSON * 4]
    elif _suffix(name) == "txt":
        kinds += _TEXT * 3
    else:
        kinds += _BINARY * 3
    files[name] = random.choice(kinds)(random, content)


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


def _set_trap(random: Random, files: Files, name: str) -> None:
    """Put something else where a file was."""
    base, others = name.rpartition("/")[2], sorted(files)
    away = "../" * name.count("/")  # the folder of scenes
    chosen = random.choice(others)
    kind = random.randrange(11)
    traps = [
        *(Trap("folder"), Trap("pipe"), Trap("sparse", size=_SPARSE)),
        *(
            Trap("link", base),
            Trap("link", "nowhere"),
            Trap("link", "/dev/zero"),
            Trap("link", "."),
        ),
        Trap("link", away + chosen),
    ]
    if kind < len(traps):
        files[name] = traps[kind]
    elif kind == 8:
        del files[name]
    elif kind == 9:
        files[name] = files[chosen]
    else:
        folder, suffix = name[: -len(base)], _suffix(name)
        copy = random.choice(("copy", "\udcff", "z" * 200, " ", "\n", base.upper()))
        files[f"{folder}{copy}.{suffix}"] = files[name]


# Any file


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _flip(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 4, 32)) if data else 0):
        changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _repeat(random: Random, data: bytes) -> bytes:
    """Say a part of the file twice, or leave it out."""
    start, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:] if random.random() < 0.5 else data[:start] + data[end:]


def _insert(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    odd = (b"\xff\xfe", b"\xc3", b"\0", b"\xed\xa0\x80", b"\r", b"\x1a", random.randbytes(9))
    return data[:at] + random.choice(odd) + data[at:]


def _empty(random: Random, data: bytes) -> bytes:
    return random.choice((b"", b"\0", b"\n", b"\xef\xbb\xbf", bytes(len(data))))


_PLAIN: list[_Bytes] = [_cut, _flip, _repeat, _insert, _empty]


# Binary models and arrays


def _count(random: Random, data: bytes) -> bytes:
    """Write a count, mostly a huge one, over the first or over any."""
    at = random.choice((0, random.randrange(len(data) + 1)))
    return _over(data, at, struct.pack(random.choice("<>") + "Q", random.choice(_COUNTS)))


def _double(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1) & ~random.choice((7, 3, 0))
    return _over(data, at, struct.pack("<d", random.choice(_DOUBLES)))


def _over(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def _endian(random: Random, data: bytes) -> bytes:
    """Reverse the bytes of every word."""
    size = random.choice((2, 4, 8))
    return b"".join(data[at : at + size][::-1] for at in range(0, len(data), size))


def _header(random: Random, data: bytes) -> bytes:
    """Lie in the header of an array; of other files, in their first bytes."""
    lies = {
        b"(5, 17)": (b"(5, -1)", b"(9**99)", b"([],17)", b"(5,17.)", b"()     ", b"(0, 17)"),
        b"'<f8'": (b"'|O8'", b"'>f8'", b"'<c8'", b"'<U2'", b"'<i8'", b"None ", b"'<f4'"),
        b"False": (b"True ", b"None ", b"[[[[["),
        b"\x93NUMPY\x01": (
            b"\x93NUMPY\x02",
            b"\x93NUMPY\x03",
            b"\x93NUMPY\xff",
            b"PK\x03\x04\0\0\0",
        ),
    }
    told = random.choice(sorted(lies))
    return data.replace(told, random.choice(lies[told])) if told in data else _count(random, data)


_BINARY: list[_Bytes] = [_count, _double, _endian, _header]


# Text


def _number(random: Random, data: bytes) -> bytes:
    """Replace a number by something that is none, or by one that nothing can hold."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?(e-?\d+)?", data))
    if not found:
        return data
    at = random.choice(found)
    return data[: at.start()] + random.choice(_NUMBERS).encode() + data[at.end() :]


def _lines(random: Random, data: bytes) -> bytes:
    ends = (b"\r\n", b"\r", b"\n\n", b"\x0b", b"\xe2\x80\xa8", b" ", b"")
    return data.replace(b"\n", random.choice(ends))


def _encoding(random: Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(
        random.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7", "cp037")), "replace"
    )


def _swap_lines(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    one, other = (random.randrange(len(lines)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[random.choice((one, other))]
    return b"\n".join(lines)


_TEXT: list[_Bytes] = [_number, _number, _lines, _encoding, _swap_lines]


# JSON


def _node(random: Random, data: bytes) -> bytes:
    """Replace any value, at any depth, or leave its key out."""
    try:
        content = json.loads(data)
        holders = [held for held in _walk(content) if held]
    except (ValueError, RecursionError):
        return _number(random, data)
    if not holders:
        return data
    holder = random.choice(holders)
    key = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    if random.random() < 0.2:
        del holder[key]
        return json.dumps(content).encode()
    # numbers that json cannot write are put into the text
    holder[key] = random.choice((*_VALUES, *_NAMES, *("@" + number for number in _NUMBERS)))
    return re.sub(r'"@([^"]*)"', r"\1", json.dumps(content)).encode()


_VALUES: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [{}], {"": 0}, 0, -1, 1.5, 10**30, math.nan, math.inf),
    *([[1, 0, 0, 0]] * 4, [[0] * 4] * 4, [["1"] * 4] * 4, [[10**400] * 4] * 4, list(range(9))),
)


def _walk(value: Any) -> list[Any]:
    """Return all objects and arrays in a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    held = [value] if isinstance(value, dict | list) else []
    return [*held, *(each for part in inner for each in _walk(part))]


def _lens_key(random: Random, data: bytes) -> bytes:
    """Say a lens' key first, perhaps for the second time."""
    keys = ("k1", "k2", "p1", "k3", "cx", "w", "h", "fl_x", "camera_angle_x", "test_filenames")
    value = random.choice((*_NUMBERS, "[]", '""', "{}", '["images/1.png"]'))
    return data.replace(b"{", f'{{"{random.choice(keys)}": {value}, '.encode(), 1)


def _deep(random: Random, data: bytes) -> bytes:
    """Nest arrays or objects, closed or not, in place of the file or of a number."""
    opened, closed = random.choice((("[", "]"), ('{"a":', "}")))
    nested = opened * _DEEP + "1" + closed * random.choice((0, _DEEP))
    found = list(re.finditer(rb"-?\d+\.\d+", data))
    if not found or random.random() < 0.3:
        return nested.encode()
    at = random.choice(found)
    return data[: at.start()] + nested.encode() + data[at.end() :]


_JSON: list[_Bytes] = [_node, _node, _node, _lens_key, _deep]


# Images


def _chunk(random: Random, data: bytes) -> bytes:
    """Damage a PNG's chunk and mend its checksum, so that decoders believe it."""
    places = _chunks(data)
    if not places:
        return _flip(random, data)
    at, size = random.choice(places)
    kind, content = data[at + 4 : at + 8], _flip(random, data[at + 8 : at + 8 + size])
    return data[:at] + _png_chunk(kind, content) + data[at + 12 + size :]


def _chunks(data: bytes) -> list[tuple[int, int]]:
    """Return where a PNG's chunks begin, and the sizes of their contents."""
    found, at = [], 8
    while data[:4] == b"\x89PNG" and at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((at, min(size, len(data) - at - 12)))
        at += 12 + size
    return found


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _bomb(random: Random, _data: bytes) -> bytes:
    """Return a small PNG of a huge image."""
    side = random.choice((2000, 5000, 8000, 12000, 30000))
    return _zeros(side, random.choice((0, 2, 6)), random.random() < 0.5)


@functools.lru_cache(32)
def _zeros(side: int, colour: int, honest: bool) -> bytes:
    """Return a PNG of black pixels of 8 bits, of the shape of the scenes' images and `side` wide;
    or of as many in its header alone.

    colour: PNG's number of grey (0), RGB (2) or RGBA (6).
    """
    channels = {0: 1, 2: 3, 6: 4}[colour]
    packer = zlib.compressobj(1)
    height = side * scenes.HEIGHT // scenes.WIDTH
    rows = height if honest and side * height * channels < 1 << 28 else 8
    packed = b"".join(packer.compress(bytes(side * channels + 1)) for _ in range(rows))
    header = struct.pack(">IIBBBBB", side, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", packed + packer.flush()), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*part) for part in parts)


def _inflated(random: Random, data: bytes) -> bytes:
    """Add a profile or a text to a PNG that is very long once it is unpacked."""
    if data[:4] != b"\x89PNG":
        return _repeat(random, data)
    kind, head = random.choice(((b"iCCP", b"a\0\0"), (b"zTXt", b"a\0\0"), (b"eXIf", b"")))
    return data[:33] + _png_chunk(kind, head + _packed_zeros()) + data[33:]


@functools.cache
def _packed_zeros() -> bytes:
    return zlib.compress(bytes(1 << 26))


def _other_image(random: Random, _data: bytes) -> bytes:
    """Return an image of another format, mode or view."""
    mode = random.choice(("RGB", "RGBA", "L", "P", "1", "CMYK"))
    suffix = "jpg" if mode == "CMYK" else "png"
    return scenes.image(random.randrange(scenes.VIEWS), suffix, mode)


_IMAGE: list[_Bytes] = [_chunk, _chunk, _bomb, _inflated, _other_image]
