"""ivoa.obscore against the Recommendation's tables (ObsCore 1.1 with its errata), typed in by hand."""

from __future__ import annotations

import pytest

from obscore import definition

# name, datatype, unit, utype, UCD
MANDATORY = """
dataproduct_type|char||ObsDataset.dataProductType|meta.code.class
calib_level|int||ObsDataset.calibLevel|meta.code;obs.calib
obs_collection|char||DataID.collection|meta.id
obs_id|char||DataID.observationID|meta.id
obs_publisher_did|char||Curation.publisherDID|meta.ref.ivoid
access_url|char||Access.reference|meta.ref.url
access_format|char||Access.format|meta.code.mime
access_estsize|long|kbyte|Access.size|phys.size;meta.file
target_name|char||Target.name|meta.id;src
s_ra|double|deg|Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1|pos.eq.ra
s_dec|double|deg|Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2|pos.eq.dec
s_fov|double|deg|Char.SpatialAxis.Coverage.Bounds.Extent.diameter|phys.angSize;instr.fov
s_region|char||Char.SpatialAxis.Coverage.Support.Area|pos.outline;obs.field
s_resolution|double|arcsec|Char.SpatialAxis.Resolution.Refval.value|pos.angResolution
s_xel1|long||Char.SpatialAxis.numBins1|meta.number
s_xel2|long||Char.SpatialAxis.numBins2|meta.number
t_min|double|d|Char.TimeAxis.Coverage.Bounds.Limits.StartTime|time.start;obs.exposure
t_max|double|d|Char.TimeAxis.Coverage.Bounds.Limits.StopTime|time.end;obs.exposure
t_exptime|double|s|Char.TimeAxis.Coverage.Support.Extent|time.duration;obs.exposure
t_resolution|double|s|Char.TimeAxis.Resolution.Refval.value|time.resolution
t_xel|long||Char.TimeAxis.numBins|meta.number
em_min|double|m|Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit|em.wl;stat.min
em_max|double|m|Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit|em.wl;stat.max
em_res_power|double||Char.SpectralAxis.Resolution.ResolPower.refVal|spect.resolution
em_xel|long||Char.SpectralAxis.numBins|meta.number
o_ucd|char||Char.ObservableAxis.ucd|meta.ucd
pol_states|char||Char.PolarizationAxis.stateList|meta.code;phys.polarization
pol_xel|long||Char.PolarizationAxis.numBins|meta.number
facility_name|char||Provenance.ObsConfig.Facility.name|meta.id;instr.tel
instrument_name|char||Provenance.ObsConfig.Instrument.name|meta.id;instr
"""
OPTIONAL = """
obs_title|char||DataID.title|meta.title;obs
data_rights|char||Curation.rights|meta.code
obs_release_date|char||Curation.releaseDate|time.release
proposal_id|char||Provenance.Proposal.identifier|meta.id;obs.proposal
bib_reference|char||Curation.reference|meta.bib.bibcode
"""
COLUMNS = {column.name: column for column in definition.COLUMNS}


@pytest.mark.parametrize("line", (MANDATORY + OPTIONAL).split())
def test_columns_are_those_of_the_recommendation(line: str) -> None:
    name, datatype, unit, utype, ucd = line.split("|")
    column = COLUMNS[name]
    assert (column.datatype, column.unit, column.ucd) == (datatype, unit, ucd)
    assert column.utype.lower() == f"obscore:{utype}".lower()  # utypes have no case
    assert column.std
    assert column.description


def test_the_only_other_column_tells_what_is_withdrawn() -> None:
    others = set(COLUMNS) - {line.split("|")[0] for line in (MANDATORY + OPTIONAL).split()}
    assert others == {"withdrawn"}
    assert not COLUMNS["withdrawn"].std
    assert not COLUMNS["withdrawn"].utype


def test_positions_and_times_refer_to_their_systems() -> None:
    assert {name for name, column in COLUMNS.items() if column.coosys} == {"s_ra", "s_dec", "s_region"}
    assert {name for name, column in COLUMNS.items() if column.timesys} >= {"t_min", "t_max"}


def test_regions_and_dates_say_their_xtype() -> None:
    assert COLUMNS["s_region"].xtype == "adql:REGION"
    assert COLUMNS["obs_release_date"].xtype == "timestamp"


def test_missing_values_become_nulls() -> None:
    table = definition.arrow_table([{"obs_id": "1", "s_xel1": -1}])
    assert table.column("s_xel1").to_pylist() == [-1]
    assert table.column("o_ucd").to_pylist() == [None]
    assert table.column_names == list(definition.COLUMN_NAMES)
