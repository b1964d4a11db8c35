"""Load against a stack on this machine: latencies at a fixed rate, throughput at saturation, webhook to frame."""
