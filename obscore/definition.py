"""The table ivoa.obscore: ObsCore 1.1 (with errata 1 and 2), its mandatory and our optional columns, and one of our own.

Units, UCDs and utypes are those of the Recommendation's tables 6 and 7; STILTS taplint compares with
the same tables.  Two places where the Recommendation disagrees with itself: `pol_states` is mandatory
(erratum 2), and `bib_reference` has the UCD `meta.bib.bibcode` of the published text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from gateway.vo.columns import Column, Schema, Table

DATA_MODEL = "ivo://ivoa.net/std/ObsCore#core-1.1"
DATALINK_FORMAT = "application/x-votable+xml;content=datalink"

COOSYS = "ICRS"
"""ID of the COOSYS of positions (ICRS)."""
TIMESYS = "UTC"
"""ID of the TIMESYS of times (MJD, UTC, at the observatory)."""

REQUIRED = ("calib_level", "obs_collection", "obs_id", "obs_publisher_did")
"""Columns that ObsCore forbids to be null."""

PRODUCT_TYPES = ("image", "cube", "spectrum", "sed", "timeseries", "visibility", "event", "measurements")


def _text(name: str, utype: str, ucd: str, description: str, **more: Any) -> Column:
    return _column(name, utype, ucd, description, datatype="char", arraysize="*", **more)


def _count(name: str, utype: str, description: str) -> Column:
    return _column(name, utype, "meta.number", description, datatype="long", null=-9223372036854775808)


def _column(name: str, utype: str, ucd: str, description: str, **more: Any) -> Column:
    return Column(name=name, utype=f"obscore:{utype}", ucd=ucd, description=description, std=True, **more)


_SPATIAL, _TIME, _SPECTRAL = "Char.SpatialAxis", "Char.TimeAxis", "Char.SpectralAxis"

_MANDATORY = (
    _text(
        "dataproduct_type",
        "ObsDataset.dataProductType",
        "meta.code.class",
        "Primary kind of the data product, from a fixed list; event lists are 'event'",
        principal=True,
    ),
    _column(
        "calib_level",
        "ObsDataset.calibLevel",
        "meta.code;obs.calib",
        "Amount of calibration: 0 raw, 1 instrumental, 2 calibrated, 3 enhanced, 4 analysis product",
        datatype="int",
        null=-2147483648,
        principal=True,
    ),
    _text(
        "obs_collection",
        "DataID.Collection",
        "meta.id",
        "Short name of the data collection that the product belongs to",
        principal=True,
    ),
    _text(
        "obs_id",
        "DataID.observationID",
        "meta.id",
        "Identifier of the observation, unique within its collection",
        principal=True,
    ),
    _text(
        "obs_publisher_did",
        "Curation.PublisherDID",
        "meta.ref.ivoid",
        "IVOA identifier of the dataset, given by its publisher; the ID of the DataLink service",
    ),
    _text(
        "access_url",
        "Access.Reference",
        "meta.ref.url",
        "URL of the list of links (DataLink) to the product, its documentation and its services",
        principal=True,
        base_url=True,
    ),
    _text("access_format", "Access.Format", "meta.code.mime", "Media type of what access_url returns"),
    _column(
        "access_estsize",
        "Access.Size",
        "phys.size;meta.file",
        "Approximate size of the data product",
        datatype="long",
        unit="kbyte",
        null=-9223372036854775808,
    ),
    _text(
        "target_name",
        "Target.Name",
        "meta.id;src",
        "Name of the observed object or field",
        principal=True,
    ),
    _column(
        "s_ra",
        f"{_SPATIAL}.Coverage.Location.Coord.Position2D.Value2.C1",
        "pos.eq.ra",
        "Right ascension of the centre of the field (ICRS)",
        unit="deg",
        principal=True,
        indexed=True,
        coosys=COOSYS,
    ),
    _column(
        "s_dec",
        f"{_SPATIAL}.Coverage.Location.Coord.Position2D.Value2.C2",
        "pos.eq.dec",
        "Declination of the centre of the field (ICRS)",
        unit="deg",
        principal=True,
        indexed=True,
        coosys=COOSYS,
    ),
    _column(
        "s_fov",
        f"{_SPATIAL}.Coverage.Bounds.Extent.diameter",
        "phys.angSize;instr.fov",
        "Diameter of a circle that contains the covered region",
        unit="deg",
    ),
    _text(
        "s_region",
        f"{_SPATIAL}.Coverage.Support.Area",
        "pos.outline;obs.field",
        "Region of the sky that the product covers (ICRS), as STC-S",
        xtype="adql:REGION",
        indexed=True,
        coosys=COOSYS,
    ),
    _column(
        "s_resolution",
        f"{_SPATIAL}.Resolution.Refval.value",
        "pos.angResolution",
        "Typical angular resolution, as FWHM of the point spread function",
        unit="arcsec",
    ),
    _count(
        "s_xel1", f"{_SPATIAL}.numBins1", "Number of elements along the first spatial axis, -1 for events"
    ),
    _count(
        "s_xel2", f"{_SPATIAL}.numBins2", "Number of elements along the second spatial axis, -1 for events"
    ),
    _column(
        "t_min",
        f"{_TIME}.Coverage.Bounds.Limits.StartTime",
        "time.start;obs.exposure",
        "Start of the observation, Modified Julian Date in UTC",
        unit="d",
        principal=True,
        timesys=TIMESYS,
    ),
    _column(
        "t_max",
        f"{_TIME}.Coverage.Bounds.Limits.StopTime",
        "time.end;obs.exposure",
        "End of the observation, Modified Julian Date in UTC",
        unit="d",
        principal=True,
        timesys=TIMESYS,
    ),
    _column(
        "t_exptime",
        f"{_TIME}.Coverage.Support.Extent",
        "time.duration;obs.exposure",
        "Exposure time; for event lists the live time",
        unit="s",
        principal=True,
    ),
    _column(
        "t_resolution",
        f"{_TIME}.Resolution.Refval.value",
        "time.resolution",
        "Smallest interval that can be resolved in time",
        unit="s",
    ),
    _count("t_xel", f"{_TIME}.numBins", "Number of elements along the time axis, -1 for events"),
    _column(
        "em_min",
        f"{_SPECTRAL}.Coverage.Bounds.Limits.LoLimit",
        "em.wl;stat.min",
        "Shortest wavelength (highest energy) that is covered, in vacuum",
        unit="m",
        principal=True,
    ),
    _column(
        "em_max",
        f"{_SPECTRAL}.Coverage.Bounds.Limits.HiLimit",
        "em.wl;stat.max",
        "Longest wavelength (lowest energy) that is covered, in vacuum",
        unit="m",
        principal=True,
    ),
    _column(
        "em_res_power",
        f"{_SPECTRAL}.Resolution.ResolPower.refVal",
        "spect.resolution",
        "Typical spectral resolving power",
    ),
    _count("em_xel", f"{_SPECTRAL}.numBins", "Number of elements along the spectral axis, -1 for events"),
    _text("o_ucd", "Char.ObservableAxis.ucd", "meta.ucd", "UCD of the observable; null for event lists"),
    _text(
        "pol_states",
        "Char.PolarizationAxis.stateList",
        "meta.code;phys.polarization",
        "Polarisation states in the product, as /I/Q/; null where polarisation does not apply",
    ),
    _count("pol_xel", "Char.PolarizationAxis.numBins", "Number of polarisation states, -1 for events"),
    _text(
        "facility_name",
        "Provenance.ObsConfig.Facility.name",
        "meta.id;instr.tel",
        "Observatory or facility that took the data",
        principal=True,
    ),
    _text(
        "instrument_name",
        "Provenance.ObsConfig.Instrument.name",
        "meta.id;instr",
        "Instrument that took the data",
        principal=True,
    ),
)

_OPTIONAL = (
    _text(
        "obs_title",
        "DataID.Title",
        "meta.title;obs",
        "One line that says what the product is",
        principal=True,
    ),
    _text("data_rights", "Curation.Rights", "meta.code", "public, secure or proprietary"),
    _text(
        "obs_release_date",
        "Curation.releaseDate",
        "time.release",
        "When the product became or becomes public (UTC)",
        xtype="timestamp",
    ),
    _text(
        "proposal_id", "Provenance.Proposal.identifier", "meta.id;obs.proposal", "Identifier of the proposal"
    ),
    _text(
        "bib_reference",
        "Curation.Reference",
        "meta.bib.bibcode",
        "Bibcode or URL of the publication that describes the data",
    ),
)

# ObsCore has no column for it and allows others; a row stays, so that what was cited can be found.
WITHDRAWN = Column(
    "withdrawn",
    "char",
    "*",
    ucd="meta.note",
    description="Why the product is not to be relied on any more; null for all that is",
)

COLUMNS: tuple[Column, ...] = tuple(
    replace(column, column_index=number)
    for number, column in enumerate((*_MANDATORY, *_OPTIONAL, WITHDRAWN), start=1)
)
COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)

_ARROW = {"int": pa.int32(), "long": pa.int64(), "double": pa.float64(), "char": pa.string()}
ARROW_SCHEMA = pa.schema([(column.name, _ARROW[column.datatype]) for column in COLUMNS])


def obscore_table(info: Sequence[tuple[str, str]] = (), nrows: int | None = None) -> Table:
    """Metadata of ivoa.obscore.

    Parameters
    ----------
    info
        (name, value) of the INFO elements that every result from this table carries: citation, rights
        and terms of the collections in it.
    nrows
        Number of rows, where it is known.
    """
    return Table(
        schema="ivoa",
        name="obscore",
        columns=COLUMNS,
        description="The archive's data products as IVOA ObsCore 1.1: one row per product",
        utype=DATA_MODEL,
        table_index=1,
        nrows=nrows,
        position=("s_ra", "s_dec"),
        region="s_region",
        info=tuple(info),
    )


def ivoa_schema(info: Sequence[tuple[str, str]] = (), nrows: int | None = None) -> Schema:
    """The schema `ivoa`, which holds ivoa.obscore alone."""
    return Schema(
        name="ivoa",
        tables=(obscore_table(info, nrows),),
        description="Tables whose columns are defined by IVOA standards",
        schema_index=1,
    )


def arrow_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """ObsCore rows as Arrow; columns that a row does not have are null."""
    listed = list(rows)
    return pa.table(
        {
            field.name: pa.array([row.get(field.name) for row in listed], type=field.type)
            for field in ARROW_SCHEMA
        },
        schema=ARROW_SCHEMA,
    )
