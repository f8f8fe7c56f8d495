"""Benchmarks: each prints its ratio to a limit that is measured in the same run."""
