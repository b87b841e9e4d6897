"""The catalogue's functions of geometries, motions and histograms, and this service's own (`vogate_`)."""

from __future__ import annotations

from tap.adql.ir import Kind
from tap.adql.library import Function

_N, _I, _T, _P, _G = "number", "integer", "text", "point", "geometry"
_FRAMES = "ICRS, FK5, FK4 (B1950), GALACTIC, SUPER_GALACTIC, ECLIPTIC (J2000)"

CATALOGUE: tuple[Function, ...] = (
    Function(
        "ivo_histogram",
        "ivo_histogram(val REAL, lower REAL, upper REAL, nbins INTEGER) -> BIGINT[]",
        "An aggregate: how many values are below lower, in each of nbins bins of one width, and at upper or above; "
        "nbins + 2 numbers. NULL is not counted.",
        "ivo_histogram(0.5, 0, 1, 4)",
        (_N, _N, _N, _I),
        "histogram",
        Kind.OTHER,
    ),
    Function(
        "ivo_geom_transform",
        "ivo_geom_transform(from_sys TEXT, to_sys TEXT, geo GEOMETRY) -> GEOMETRY",
        f"A point, circle or polygon in another coordinate system, by a rotation; the systems, written out as "
        f"strings, are {_FRAMES}.",
        "ivo_geom_transform('ICRS', 'GALACTIC', POINT(266.405, -28.936))",
        (_T, _T, _G),
        "rotate",
        Kind.POINT,
    ),
    Function(
        "ivo_epoch_prop",
        "ivo_epoch_prop(ra DOUBLE PRECISION, dec DOUBLE PRECISION, parallax DOUBLE PRECISION, "
        "pmra DOUBLE PRECISION, pmdec DOUBLE PRECISION, radial_velocity DOUBLE PRECISION, "
        "ref_epoch DOUBLE PRECISION, out_epoch DOUBLE PRECISION) -> DOUBLE PRECISION[6]",
        "The six astrometric parameters (deg, deg, mas, mas/yr with the cosine of the declination, mas/yr, km/s) at "
        "another epoch (Julian years), for uniform motion in space; NULL among the last four counts as 0.",
        "ivo_epoch_prop(269.45, 4.69, 546.98, -801.6, 10362.4, -110.5, 2016.0, 2000.0)",
        (_N,) * 8,
        "epoch_prop",
        Kind.OTHER,
    ),
    Function(
        "ivo_epoch_prop_pos",
        "ivo_epoch_prop_pos(ra DOUBLE PRECISION, dec DOUBLE PRECISION, parallax DOUBLE PRECISION, "
        "pmra DOUBLE PRECISION, pmdec DOUBLE PRECISION, radial_velocity DOUBLE PRECISION, "
        "ref_epoch DOUBLE PRECISION, out_epoch DOUBLE PRECISION) -> POINT",
        "The position of a star at another epoch (Julian years): deg, deg, mas, mas/yr with the cosine of the "
        "declination, mas/yr, km/s; NULL among the last four counts as 0.",
        "ivo_epoch_prop_pos(269.45, 4.69, 546.98, -801.6, 10362.4, -110.5, 2016.0, 2000.0)",
        (_N,) * 8,
        "epoch_prop_pos",
        Kind.POINT,
    ),
    Function(
        "ivo_epoch_prop_pos",
        "ivo_epoch_prop_pos(ra DOUBLE PRECISION, dec DOUBLE PRECISION, pmra DOUBLE PRECISION, "
        "pmdec DOUBLE PRECISION, ref_epoch DOUBLE PRECISION, out_epoch DOUBLE PRECISION) -> POINT",
        "The same without a parallax and a radial velocity.",
        "ivo_epoch_prop_pos(269.45, 4.69, -801.6, 10362.4, 2016.0, 2000.0)",
        (_N,) * 6,
        "epoch_prop_pos",
        Kind.POINT,
    ),
    Function(
        "ivo_normal_random",
        "ivo_normal_random(mu REAL, sigma REAL) -> REAL",
        "A random number, normally distributed around mu with standard deviation sigma.",
        "ivo_normal_random(5, 0.1)",
        (_N, _N),
        "normal_random",
        Kind.REAL,
    ),
    Function(
        "ivo_simbadpoint",
        "ivo_simbadpoint(identifier TEXT) -> POINT",
        "The position of an object, found by its name, which is written out, when the query is read; the service's "
        "own targets are known without a network.",
        "ivo_simbadpoint('Crab Nebula')",
        (_T,),
        "simbadpoint",
        Kind.POINT,
    ),
)

OWN: tuple[Function, ...] = (
    Function(
        "vogate_match",
        "vogate_match(lon1 REAL, lat1 REAL, lon2 REAL, lat2 REAL, arcsec REAL) -> INTEGER",
        "1 if two positions (degrees) are no more than so many arcseconds apart, else 0. In JOIN ... ON 1 = "
        "vogate_match(...) with a literal radius it finds neighbours by HEALPix cells.",
        "vogate_match(83.63, 22.01, 83.631, 22.01, 5)",
        (_N,) * 5,
        "match",
        Kind.INTEGER,
    ),
    Function(
        "vogate_position_angle",
        "vogate_position_angle(lon1 REAL, lat1 REAL, lon2 REAL, lat2 REAL) -> DOUBLE PRECISION",
        "Position angle of the second position as seen from the first, degrees from north through east, 0 to 360.",
        "vogate_position_angle(10, 20, 10.5, 20)",
        (_N,) * 4,
        "position_angle",
        Kind.REAL,
        unit="deg",
        ucd="pos.posAng",
    ),
    *(
        Function(
            f"vogate_{frame}_{which}",
            f"vogate_{frame}_{which}(ra REAL, dec REAL) -> DOUBLE PRECISION",
            f"{frame.capitalize()} {word} of an ICRS position, in degrees.",
            f"vogate_{frame}_{which}(266.405, -28.936)",
            (_N, _N),
            "rotate",
            Kind.REAL,
            unit="deg",
        )
        for frame in ("galactic", "ecliptic")
        for which, word in (("lon", "longitude"), ("lat", "latitude"))
    ),
    Function(
        "vogate_healpix_ancestor",
        "vogate_healpix_ancestor(hpxOrder INTEGER, hpxIndex BIGINT, coarser INTEGER) -> BIGINT",
        "The cell of a coarser order that holds a HEALPix cell (NESTED numbering); NULL where there is none.",
        "vogate_healpix_ancestor(17, 81609757711, 5)",
        (_I, _I, _I),
        "healpix_ancestor",
        Kind.INTEGER,
        ucd="pos.healpix",
    ),
    Function(
        "vogate_healpix_area",
        "vogate_healpix_area(hpxOrder INTEGER) -> DOUBLE PRECISION",
        "Area of a HEALPix cell of that order, in square degrees.",
        "vogate_healpix_area(9)",
        (_I,),
        "healpix_area",
        Kind.REAL,
        unit="deg**2",
        ucd="phys.angArea",
    ),
    Function(
        "vogate_in_moc",
        "vogate_in_moc(moc MOC, lon REAL, lat REAL) -> INTEGER",
        "1 if a position (degrees, ICRS) is in the cells of a MOC, else 0; strings in the MOC's ASCII form are taken "
        "too. WHERE 1 = vogate_in_moc(...) with a literal uses the table's index.",
        "vogate_in_moc('3/100-110 4/500', 10.5, 41.2)",
        ("moc", _N, _N),
        "in_moc",
        Kind.INTEGER,
    ),
    Function(
        "vogate_convert",
        "vogate_convert(value REAL, from_unit TEXT, to_unit TEXT) -> DOUBLE PRECISION",
        "A value in another unit; also between wavelength, frequency and energy of light. The units are written out "
        "as VOUnits.",
        "vogate_convert(1.0, 'TeV', 'Hz')",
        (_N, _T, _T),
        "scale",
        Kind.REAL,
    ),
    Function(
        "vogate_mjd_to_timestamp",
        "vogate_mjd_to_timestamp(mjd DOUBLE PRECISION) -> TIMESTAMP",
        "The timestamp of a modified Julian date, with no change of time scale; NULL outside the years 1 to 9999.",
        "vogate_mjd_to_timestamp(51544.5)",
        (_N,),
        "from_mjd",
        Kind.TIMESTAMP,
        ucd="time.epoch",
    ),
    Function(
        "vogate_utc_to_tt",
        "vogate_utc_to_tt(mjd DOUBLE PRECISION) -> DOUBLE PRECISION",
        "A modified Julian date in UTC as one in Terrestrial Time; NULL before 1972.",
        "vogate_utc_to_tt(57754.0)",
        (_N,),
        "utc_to_tt",
        Kind.REAL,
        unit="d",
        ucd="time.epoch",
    ),
    Function(
        "vogate_tt_to_utc",
        "vogate_tt_to_utc(mjd DOUBLE PRECISION) -> DOUBLE PRECISION",
        "A modified Julian date in Terrestrial Time as one in UTC; NULL before 1972.",
        "vogate_tt_to_utc(57754.0)",
        (_N,),
        "tt_to_utc",
        Kind.REAL,
        unit="d",
        ucd="time.epoch",
    ),
)
