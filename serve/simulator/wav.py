"""Recordings of simulated calls: real WAV files, small, as long as the call, and the same for the same call."""

import hashlib
import math
import struct

SAMPLE_RATE = 4_000
"""Near the least that browsers play: a minute is a quarter of a megabyte."""
LONGEST_SECONDS = 60.0
_SILENCE = 128
_AMPLITUDE = 32
_TURN_SECONDS = 0.5


def recording(call_id: str, seconds: float) -> bytes:
    """A mono 8-bit WAV file of `seconds`, at most sixty: two voices, told apart by pitch, take turns."""
    frames = round(SAMPLE_RATE * min(max(seconds, 0.0), LONGEST_SECONDS))
    seed = hashlib.blake2s(call_id.encode(), digest_size=2).digest()
    voices = b"".join(_turn(pitch) for pitch in (180 + seed[0] % 120, 320 + seed[1] % 160))
    return _header(frames) + (voices * (frames // len(voices) + 1))[:frames]


def _turn(pitch: int) -> bytes:
    frames = range(round(SAMPLE_RATE * _TURN_SECONDS))
    return bytes(round(_SILENCE + _AMPLITUDE * math.sin(2 * math.pi * pitch * frame / SAMPLE_RATE)) for frame in frames)


def _header(size: int) -> bytes:
    pcm, channels, bits = 1, 1, 8
    width = channels * bits // 8
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, pcm, channels, SAMPLE_RATE, SAMPLE_RATE * width, width, bits)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + sound + struct.pack("<4sI", b"data", size)
