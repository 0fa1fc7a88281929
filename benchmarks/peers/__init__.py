"""Kaoken beside every peer that is installed, on the same weights and inputs: `python -m benchmarks.peers MODEL...`."""
