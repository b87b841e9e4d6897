"""A spectrum of the Crab Nebula, made next to the data: a UWS job driven with pyvo."""

import os

import pyvo
import requests

base = os.environ.get("VOGATE_URL", "http://127.0.0.1:8000")
archive = pyvo.dal.TAPService(f"{base}/tap")

# The observations that point within 2 degrees of the Crab Nebula.
rows = archive.search("""
    SELECT obs_id, obs_publisher_did FROM ivoa.obscore
    WHERE dataproduct_type = 'event'
      AND 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 83.633, 22.014, 2))
""")
print("observations:", *rows["obs_id"])

session = requests.Session()
if token := os.environ.get(
    "VOGATE_TOKEN"
):  # an API token of your account page; without it the job is anonymous
    session.headers["Authorization"] = f"Bearer {token}"
request = [("observations", did) for did in rows["obs_publisher_did"]]
request += [("ra", "83.633"), ("dec", "22.014"), ("PHASE", "RUN")]
answer = session.post(f"{base}/uws/spectrum/async", data=request, timeout=60)
answer.raise_for_status()

job = pyvo.dal.AsyncTAPJob(answer.url, session=session)  # drives any UWS job
print(job.url)
job.wait(timeout=600)
job.raise_if_error()

results = {result.id_: result for result in job.results}
spectrum = session.get(results["spectrum"].href, timeout=60).json()
for parameter in spectrum["model"]["parameters"]:
    print(
        f"{parameter['name']:10} {parameter['value']:.4g} +- {parameter['error'] or 0:.2g} {parameter['unit']}"
    )
print(f"stat/dof = {spectrum['fit']['stat']:.1f}/{spectrum['fit']['dof']}")
