"""Staleness: state of files, traces, code digests, tracing, the doit adapter. Knows nothing of experiments."""
