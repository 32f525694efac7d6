"""What is wrong with a bag that does not open, how much of it is intact, and how to repair it."""

from __future__ import annotations

import shlex
from pathlib import Path

MCAP_MAGIC = b"\x89MCAP0\r\n"
MCAP_CHUNK = 0x06


def describe_damage(path: Path, error: Exception | None) -> str:
    """A message for the person who has this bag: the cause, what is readable, the repair commands."""
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    lines = [f"{path} cannot be read as a rosbag2: {_words(error)}."]
    for file in files:
        if file.suffix == ".mcap":
            lines.append(f"  {file.name}: {_mcap_state(file)}")
        elif file.suffix == ".db3":
            lines.append(f"  {file.name}: {_sqlite_state(file)}")

    lines.append("It was probably not closed (recorder killed, disk full, copy cut short). To repair it:")
    for file in files:
        repaired = file.with_name(f"{file.stem}_recovered{file.suffix}")
        if file.suffix == ".mcap":
            lines.append(f"  mcap recover {_quoted(file)} -o {_quoted(repaired)}")
        elif file.suffix == ".db3":
            lines.append(f"  sqlite3 {_quoted(file)} .recover | sqlite3 {_quoted(repaired)}")
    if path.is_dir():
        lines.append(f"  ros2 bag reindex {_quoted(path)}   (writes metadata.yaml anew)")
    else:
        lines.append("  then read the repaired file, or put it into a directory and: ros2 bag reindex DIRECTORY")
    return "\n".join(lines)


def _words(error: Exception | None) -> str:
    if error is None:
        return "it holds no .mcap or .db3 file"
    return str(error).strip().rstrip(".") or f"damaged data ({type(error).__name__})"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _sqlite_state(file: Path) -> str:
    with file.open("rb") as stream:
        magic = stream.read(16)
    if not magic:
        return "empty file"
    if magic != b"SQLite format 3\x00":
        return "not an SQLite database"
    unwritten = file.with_name(file.name + "-wal")
    if unwritten.is_file() and unwritten.stat().st_size:
        return f"part of the recording is still in {unwritten.name}; keep both files together"
    return f"{_megabytes(file.stat().st_size)}, an SQLite database that is damaged or cut short"


def _mcap_state(file: Path) -> str:
    """How far the records of an MCAP file are complete (https://mcap.dev/spec: opcode, length, content)."""
    size = file.stat().st_size
    chunks, first_ns, last_ns = 0, None, 0
    with file.open("rb") as stream:
        magic = stream.read(8)
        if magic != MCAP_MAGIC:
            return "empty file" if not magic else "not an MCAP file"
        intact = stream.tell()
        while len(header := stream.read(9)) == 9:
            end = intact + 9 + int.from_bytes(header[1:], "little")
            if end > size:
                break
            if header[0] == MCAP_CHUNK:
                start_ns = int.from_bytes(stream.read(8), "little")
                last_ns = max(last_ns, int.from_bytes(stream.read(8), "little"))
                first_ns = start_ns if first_ns is None else min(first_ns, start_ns)
                chunks += 1
            intact = end
            stream.seek(intact)
    if first_ns is None:
        return f"{_megabytes(size)}, no complete chunk of messages"
    return (
        f"the first {_megabytes(intact)} of {_megabytes(size)} have complete records: "
        f"{chunks} chunks over {(last_ns - first_ns) / 1e9:.1f} s"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"
