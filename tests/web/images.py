"""PNG and WebP files as tests need them: of any size, and broken."""

from zlib import compress, crc32


def png(width: int = 320, height: int = 80, *chunks: tuple[bytes, bytes]) -> bytes:
    """One color, with `chunks` after the header."""
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    pixels = compress((b"\0" + b"\x80" * width) * height)
    all_chunks = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*each) for each in all_chunks)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + name + data + crc32(name + data).to_bytes(4)


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP"
    for name, data in chunks:
        body += name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def lossless(width: int, height: int) -> tuple[bytes, bytes]:
    """The header of a chunk `VP8L`, which is all that is read of it."""
    bits = (width - 1) | (height - 1) << 14
    return b"VP8L", b"\x2f" + bits.to_bytes(4, "little") + b"\0" * 8


def lossy(width: int, height: int) -> tuple[bytes, bytes]:
    sides = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"VP8 ", b"\0\0\0\x9d\x01\x2a" + sides + b"\0" * 7


def extended(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides
