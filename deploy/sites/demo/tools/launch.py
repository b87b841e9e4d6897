"""`python launch.py <module>` in a work folder with job.json: the start of every tool.

Says at once that the run has begun (the analysis libraries take seconds to load), keeps numerical
libraries to one thread (the gateway runs jobs side by side), and turns failures into one sentence.
"""

from __future__ import annotations

import importlib
import os
import sys

from vogate_tool import Job, progress, run_tool

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def main(job: Job) -> None:
    progress(0.01, "Loading the analysis libraries")
    importlib.import_module(sys.argv[1]).main(job)


if __name__ == "__main__":
    run_tool(main)
