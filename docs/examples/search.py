"""Which observations cover a position?  A cone on ivoa.obscore, with pyvo."""

import os

import pyvo

base = os.environ.get("VOGATE_URL", "http://127.0.0.1:8000")
archive = pyvo.dal.TAPService(f"{base}/tap")

result = archive.search("""
    SELECT obs_collection, obs_id, target_name, t_min, t_exptime, obs_publisher_did
    FROM ivoa.obscore
    WHERE 1 = INTERSECTS(s_region, CIRCLE('ICRS', 83.633, 22.014, 0.1))
    ORDER BY t_min
""")
table = result.to_table()
print(table["obs_id", "target_name", "t_min", "t_exptime"])
print(f"{len(table)} observations, {table['t_exptime'].sum() / 3600:.2f} h")
