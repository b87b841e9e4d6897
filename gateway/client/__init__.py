"""A client of a vogate gateway: tools, jobs, results.  Python's standard library alone.

    from gateway.client import Gateway

    gateway = Gateway("http://127.0.0.1:8000")
    job = gateway.run("event_summary", observations="ivo://vogate.demo/hess-dl3-dr1?23523")
    print(job.results["summary"].json()["events"])

The folder can be copied into any project and imported under another name.
"""

from .batch import Batch
from .errors import ClientError, JobFailed, Refused
from .gateway import Gateway, Tool
from .jobs import FINAL_PHASES, Job, Result

__all__ = ["FINAL_PHASES", "Batch", "ClientError", "Gateway", "Job", "JobFailed", "Refused", "Result", "Tool"]
