"""Runs compiled batches of operator cases in a process of its own: `python run_op_batch.py FOLDER INPUTS.npz OUTPUTS.npz ...`.

What the model refuses leaves `error` instead of outputs.
"""

from __future__ import annotations

import sys

import numpy as np

from kaoken.session import Session, SessionError


def main(arguments: list[str]) -> None:
    for folder, inputs, outputs in zip(*(iter(arguments),) * 3, strict=True):
        session = Session(folder, threads=3)
        names = [node.name for node in session.get_outputs()]
        try:
            results = dict(zip(names, session.run(None, dict(np.load(inputs))), strict=True))
        except SessionError as error:
            results = {"error": np.array(str(error))}
        np.savez(outputs, **results)


if __name__ == "__main__":
    main(sys.argv[1:])
