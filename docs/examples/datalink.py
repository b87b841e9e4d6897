"""From a row to its files: the DataLink answer of an observation, and the product itself."""

import os
from pathlib import Path

import pyvo
import requests

base = os.environ.get("VOGATE_URL", "http://127.0.0.1:8000")
archive = pyvo.dal.TAPService(f"{base}/tap")

rows = archive.search("SELECT TOP 1 * FROM ivoa.obscore ORDER BY obs_id")
links = next(rows.iter_datalinks())
for link in links:
    print(link.semantics, link.content_type, link.access_url)

product = next(links.bysemantics("#this", include_narrower=False))
answer = requests.get(product.access_url, timeout=60)
answer.raise_for_status()
name = Path(product.access_url).name
Path(name).write_bytes(answer.content)
print(f"{name}: {len(answer.content)} bytes")
