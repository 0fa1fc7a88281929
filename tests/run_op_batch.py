"""Runs compiled batches of operator cases in a process of its own: `python run_op_batch.py FOLDER INPUTS.npz OUTPUTS.npz ...`."""

from __future__ import annotations

import sys

import numpy as np

from kaoken.session import Session


def main(arguments: list[str]) -> None:
    for folder, inputs, outputs in zip(*(iter(arguments),) * 3, strict=True):
        session = Session(folder, threads=3)
        names = [node.name for node in session.get_outputs()]
        np.savez(outputs, **dict(zip(names, session.run(None, dict(np.load(inputs))), strict=True)))


if __name__ == "__main__":
    main(sys.argv[1:])
