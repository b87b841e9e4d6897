"""A query as a job: it goes on while you are away, and its result waits for you."""

import os

import pyvo

base = os.environ.get("VOGATE_URL", "http://127.0.0.1:8000")
archive = pyvo.dal.TAPService(f"{base}/tap")

job = archive.submit_job("""
    SELECT target_name, COUNT(*) AS observations, SUM(t_exptime) / 3600 AS hours
    FROM ivoa.obscore GROUP BY target_name ORDER BY hours DESC
""")
job.run().wait()
job.raise_if_error()
print(job.url, job.phase)
print(job.fetch_result().to_table())
job.delete()
