"""Write FITS files, tables and pictures that say where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.io.votable import from_table
from astropy.io.votable.tree import CooSys, Info, Param, TimeSys
from astropy.table import Table
from vogate_tool import Job

CREATED = ("DATE", "CREATED", "CHECKSUM", "DATASUM")


def sign(header: fits.Header, job: Job, title: str = "") -> None:
    """Put job, tool, inputs and terms into a FITS header."""
    for keyword in CREATED:
        # The time of writing is in the job's record; without it, equal runs make equal files.
        header.remove(keyword, ignore_missing=True, remove_all=True)
    if title:
        header["OBJECT"] = (title[:68], "target")
    header["CREATOR"] = (job.tool_id[:68], "tool and version")
    header["JOBID"] = (job.id[:68], "job that made this file")
    if job.provenance_url:
        # Without a comment: a longer address takes CONTINUE cards, which leave no room for one.
        header["PROVURL"] = job.provenance_url
    comments, history = job.header_lines()
    for line in comments:
        header.add_comment(line)
    for line in history:
        header.add_history(line)


def write_fits(path: str | Path, hdus: fits.HDUList, job: Job, title: str = "") -> None:
    """Sign the primary header and write the file with checksums."""
    sign(hdus[0].header, job, title)
    for hdu in hdus[1:]:
        for keyword in CREATED:
            hdu.header.remove(keyword, ignore_missing=True, remove_all=True)
        hdu.header["CREATOR"] = (job.tool_id[:68], "tool and version")
        hdu.header["JOBID"] = (job.id[:68], "job that made this file")
    hdus.writeto(path, overwrite=True)


def write_tables(
    stem: str,
    table: Table,
    job: Job,
    *,
    title: str,
    ucds: Mapping[str, str],
    params: Sequence[tuple[str, Any, str, str]] = (),
    time_columns: Sequence[str] = (),
) -> None:
    """Write `<stem>.fits`, `<stem>.ecsv` and `<stem>.vot`.

    Parameters
    ----------
    ucds
        UCD by column name.
    params
        `(name, value, unit, ucd)` of scalars that belong to the whole table.
    time_columns
        Columns in MJD, UTC.
    """
    _write_table_fits(f"{stem}.fits", table, job, params)
    _write_ecsv(f"{stem}.ecsv", table, job, params)
    write_votable(f"{stem}.vot", table, job, title=title, ucds=ucds, params=params, time_columns=time_columns)


def _write_table_fits(path: str, table: Table, job: Job, params: Sequence[tuple[str, Any, str, str]]) -> None:
    hdu = fits.table_to_hdu(table)
    for name, value, unit, _ in params:
        if len(name) <= 8:
            hdu.header[name.upper()] = (value, f"[{unit}]" if unit else "")
    write_fits(path, fits.HDUList([fits.PrimaryHDU(), hdu]), job)


def _write_ecsv(path: str, table: Table, job: Job, params: Sequence[tuple[str, Any, str, str]]) -> None:
    signed = table.copy(copy_data=False)
    record = job.record()
    signed.meta = {**table.meta, **{name: value for name, value, _, _ in params}}
    signed.meta["provenance"] = {key: value for key, value in record.items() if value}
    signed.write(path, format="ascii.ecsv", overwrite=True)


def write_votable(
    path: str,
    table: Table,
    job: Job,
    *,
    title: str,
    ucds: Mapping[str, str],
    params: Sequence[tuple[str, Any, str, str]] = (),
    time_columns: Sequence[str] = (),
) -> None:
    """Write one table as VOTable 1.4; arguments as of `write_tables`."""
    plain = table.copy(copy_data=False)
    plain.meta = {}
    document = from_table(plain)
    document.version = "1.4"
    resource, tree = document.resources[0], document.resources[0].tables[0]
    resource.type = "results"
    document.description = title
    tree.name = Path(path).stem
    _declare_systems(resource, params, time_columns)
    for name, value in _infos(job):
        info = Info(name=name, value=value)
        info.ID = None  # astropy makes one from the name, which is not unique here
        resource.infos.append(info)
    for name, value, unit, ucd in params:
        tree.params.append(_param(document, name, value, unit, ucd))
    for votable_field in tree.fields:
        votable_field.ucd = ucds.get(votable_field.name)
        if votable_field.name in time_columns:
            votable_field.ref = "utc_mjd"
    document.to_xml(path, tabledata_format="tabledata")


def _declare_systems(
    resource: Any, params: Sequence[tuple[str, Any, str, str]], time_columns: Sequence[str]
) -> None:
    """ICRS and UTC, where something refers to them."""
    if any(ucd.startswith("pos.eq") for *_, ucd in params):
        config = {"version_1_1_or_later": True}
        resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS", config=config))
    if time_columns or any(ucd.startswith(("time.start", "time.end")) for *_, ucd in params):
        origin = TimeSys(
            ID="utc_mjd",
            timeorigin=2400000.5,
            timescale="UTC",
            refposition="TOPOCENTER",
            config={"version_1_4_or_later": True},
        )
        resource.time_systems.append(origin)


def _param(document: Any, name: str, value: Any, unit: str, ucd: str) -> Param:
    text = isinstance(value, str)
    datatype = {"datatype": "char", "arraysize": "*"} if text else {"datatype": "double"}
    if isinstance(value, int) and not isinstance(value, bool):
        datatype = {"datatype": "int"}
    extra = {"unit": unit} if unit else {}
    if ucd:
        extra["ucd"] = ucd
    if ucd.startswith("pos.eq"):
        extra["ref"] = "icrs"
    if ucd.startswith(("time.start", "time.end")):
        extra["ref"] = "utc_mjd"
    return Param(document, ID=name, name=name, value=value, **datatype, **extra)


def _infos(job: Job) -> list[tuple[str, str]]:
    record = job.record()
    infos = [
        (name, str(record[name])) for name in ("tool", "job", "job_url", "provenance_url") if record[name]
    ]
    infos += [("input", item.id) for item in job.all_inputs]
    if job.attribution:
        infos.append(("rights", job.attribution))
    if job.notice:
        infos.append(("notice", job.notice))
    return infos


def picture_metadata(job: Job, title: str, kind: str = "png") -> dict[str, Any]:
    """Metadata for matplotlib's `savefig`; without times, so that equal runs make equal files."""
    rights = " ".join(filter(None, [job.notice, job.attribution])) or "none stated"
    if kind == "pdf":
        keywords = f"job {job.id}; {' '.join(rights.split())}"
        return {
            "Title": title,
            "Creator": job.tool_id,
            "Subject": job.job_url,
            "Keywords": keywords,
            "CreationDate": None,
        }
    return {
        "Title": title,
        "Software": job.tool_id,
        "Source": job.job_url or job.id,
        "Copyright": rights.encode("latin-1", "replace").decode("latin-1"),
        "Description": f"job {job.id}; inputs {', '.join(item.id for item in job.all_inputs)}",
    }
