"""Recordings of simulated calls: real WAV files, small, and the same for the same call."""

import hashlib
import math
import struct
from array import array

SAMPLE_RATE = 8_000
LONGEST_SECONDS = 5.0
_AMPLITUDE = 8_000
_TURN_SECONDS = 0.5


def recording(call_id: str, seconds: float) -> bytes:
    """A mono 16-bit WAV file of `seconds`, at most five: two voices, told apart by pitch, take turns."""
    frames = round(SAMPLE_RATE * min(max(seconds, 0.0), LONGEST_SECONDS))
    seed = hashlib.blake2s(call_id.encode(), digest_size=2).digest()
    pitches = (180 + seed[0] % 120, 320 + seed[1] % 160)
    per_turn = round(SAMPLE_RATE * _TURN_SECONDS)
    samples = array(
        "h",
        (
            round(_AMPLITUDE * math.sin(2 * math.pi * pitches[frame // per_turn % 2] * frame / SAMPLE_RATE))
            for frame in range(frames)
        ),
    )
    if struct.pack("=h", 1) != struct.pack("<h", 1):
        samples.byteswap()
    return _header(len(samples) * 2) + samples.tobytes()


def _header(size: int) -> bytes:
    pcm, channels, bits = 1, 1, 16
    width = channels * bits // 8
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, pcm, channels, SAMPLE_RATE, SAMPLE_RATE * width, width, bits)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + sound + struct.pack("<4sI", b"data", size)
