"""The catalogue's and our own functions, against astropy, erfa and brute force."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.vo.errors import NotFound, QueryError
from tap.adql import moc, objects, shapes, udf
from tests.tap.adql import oracle


def scalar(archive, expression):
    ((value,),) = archive.run(f"SELECT {expression} FROM survey.extra WHERE id = 3")
    return value


def separation(a, b):
    return float(oracle.angle(oracle.vectors(*a), oracle.vectors(*b)))


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("GALACTIC", "galactic"),
        ("SUPER_GALACTIC", "supergalactic"),
        ("FK5", "fk5"),
        ("ECLIPTIC", "barycentricmeanecliptic"),
    ],
)
def test_transformed_positions_are_astropy_s(archive, name, frame):
    from astropy.coordinates import SkyCoord

    text = f"SELECT ra, dec, ivo_geom_transform('ICRS', '{name}', POINT(ra, dec)) FROM survey.stars WHERE id < 600"
    rows = archive.run(text)
    wanted = SkyCoord([r[0] for r in rows], [r[1] for r in rows], unit="deg").transform_to(frame)
    for (_, _, found), lon, lat in zip(rows, wanted.spherical.lon.deg, wanted.spherical.lat.deg):
        assert separation(found, (lon, lat)) < 1e-9


def test_transformations_lead_back_and_keep_shapes(archive):
    there = "ivo_geom_transform('ICRS', 'FK4', {0})"
    back = "ivo_geom_transform('FK4', 'ICRS', {0})"
    text = (
        f"SELECT outline, {back.format(there.format('outline'))} FROM ivoa.obscore WHERE outline IS NOT NULL"
    )
    for before, after in archive.run(text):
        pairs = list(zip(np.reshape(before, (-1, 2)), np.reshape(after, (-1, 2))))
        assert max(separation(a, b) for a, b in pairs) < 1e-11
    turned = scalar(archive, "ivo_geom_transform('GALACTIC', 'ICRS', CIRCLE(0, 0, 2))")
    assert turned == pytest.approx([266.40498829, -28.93617776, 2.0], abs=1e-7)
    assert scalar(archive, "AREA(ivo_geom_transform('FK5', 'ECLIPTIC', BOX(id, 40, 3, 4)))") == pytest.approx(
        scalar(archive, "AREA(BOX(id, 40, 3, 4))"), rel=1e-11
    )


def test_galactic_and_ecliptic_coordinates(archive):
    """The poles and the centre as the IAU defined them."""
    assert scalar(archive, "vogate_galactic_lat(192.85948, 27.12825)") == pytest.approx(90, abs=1e-4)
    assert scalar(archive, "vogate_galactic_lon(266.40499, -28.93617)") % 360 == pytest.approx(0, abs=1e-4)
    assert scalar(archive, "vogate_ecliptic_lat(270, 66.5607)") == pytest.approx(90, abs=1e-3)
    assert scalar(archive, "vogate_ecliptic_lon(id + 87, 23.4393)") == pytest.approx(90, abs=1e-3)


def test_epoch_propagation_is_astropy_s(archive):
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

    rng = np.random.default_rng(8)
    for ra, dec in zip(rng.uniform(0, 360, 12), rng.uniform(-85, 85, 12)):
        plx, rv = rng.uniform(5, 600), rng.uniform(-200, 200)
        pm = rng.uniform(-9000, 9000, 2)
        star = SkyCoord(
            ra * u.deg,
            dec * u.deg,
            distance=(1000 / plx) * u.pc,
            pm_ra_cosdec=pm[0] * u.mas / u.yr,
            pm_dec=pm[1] * u.mas / u.yr,
            radial_velocity=rv * u.km / u.s,
            obstime=Time(2016.0, format="jyear", scale="tdb"),
        )
        later = star.apply_space_motion(new_obstime=Time(2066.0, format="jyear", scale="tdb"))
        args = f"{ra!r}, {dec!r}, {plx!r}, {pm[0]!r}, {pm[1]!r}, {rv!r}, 2016, 2066".replace("np.float64", "")
        found = scalar(archive, f"ivo_epoch_prop({args})")
        # Erfa takes the light's time into account, which Gaia's and Hipparcos' own formulae leave out.
        assert separation(found[:2], (later.ra.deg, later.dec.deg)) * 3.6e6 < 25
        assert found[2] == pytest.approx(later.distance.to_value(u.mas, u.parallax()), rel=1e-4)
        assert found[3] == pytest.approx(later.pm_ra_cosdec.to_value(u.mas / u.yr), rel=1e-3, abs=1)
        assert scalar(archive, f"ivo_epoch_prop_pos({args})") == found[:2]
        six = [float(value) for value in found]
        home = f"{', '.join(map(repr, six))}, 2066, 2016"
        assert scalar(archive, f"ivo_epoch_prop({home})")[:2] == pytest.approx([ra, dec], abs=1e-10)


def test_missing_astrometry_counts_as_zero(archive):
    assert scalar(archive, "ivo_epoch_prop_pos(10, 20, NULL, NULL, NULL, NULL, 2000, 2050)") == pytest.approx(
        [10, 20]
    )
    assert scalar(archive, "ivo_epoch_prop_pos(NULL, 20, 1, 1, 2000, 2050)") is None


def test_histogram_counts_like_numpy(archive):
    text = (
        'SELECT "Kind", ivo_histogram(parallax, 1, 9.5, 7), COUNT(parallax) FROM survey.stars GROUP BY "Kind"'
    )
    stars = archive.tables["stars"]
    kinds, values = np.array(stars["Kind"].to_pylist()), stars["parallax"].to_numpy()
    rows = archive.run(text)
    assert len(rows) == 3
    for kind, counts, total in rows:
        part = values[(kinds == kind) & ~np.isnan(values)]
        inner = part[(part >= 1) & (part < 9.5)]
        wanted = [(part < 1).sum(), *np.histogram(inner, 7, (1, 9.5))[0], (part >= 9.5).sum()]
        assert counts == wanted
        assert sum(counts) == total
    assert archive.run("SELECT ivo_histogram(parallax, 0, 1, 2) FROM survey.stars WHERE id < 0") == [
        ([0, 0, 0, 0],)
    ]


def test_normal_random_numbers(archive):
    values = np.array([r[0] for r in archive.run("SELECT ivo_normal_random(5, 2) FROM survey.stars")])
    assert abs(values.mean() - 5) < 6 * 2 / np.sqrt(len(values))
    assert abs(values.std() - 2) < 0.3
    assert 0.6 < (abs(values - 5) < 2).mean() < 0.76


def test_objects_are_asked_from_the_resolver(archive):
    def find(name):
        if name != "Crab":
            raise NotFound(f"Nobody knows {name}.")
        return 83.633, 22.014

    before = objects.resolver()
    try:
        objects.use(find)
        assert scalar(archive, "ivo_simbadpoint('Crab')") == [83.633, 22.014]
        near = "DISTANCE(POINT(ra, dec), ivo_simbadpoint('Crab')) < 20"
        assert archive.ids(near) == archive.ids("DISTANCE(ra, dec, 83.633, 22.014) < 20")
        with pytest.raises(QueryError, match="Nobody knows Crap"):
            archive.compile("SELECT ivo_simbadpoint('Crap') FROM survey.extra")
        objects.use(None)
        with pytest.raises(QueryError, match="a name resolver") as failure:
            archive.compile("SELECT ivo_simbadpoint('Crab') FROM survey.extra")
        assert failure.value.line == 1
    finally:
        objects.use(before)


def test_match_is_a_cone(archive):
    for radius in (3, 600, 100_000):
        condition = f"1 = vogate_match(ra, dec, 40, 20, {radius})"
        assert archive.ids(condition) == archive.ids(f"DISTANCE(ra, dec, 40, 20) <= {radius} / 3600.")
    assert (
        "_hpx29"
        in archive.compile("SELECT id FROM survey.stars WHERE vogate_match(ra, dec, 40, 20, 60) = 1").sql
    )


def test_match_joins_over_cells(archive):
    text = (
        "SELECT a.id, b.id FROM survey.stars AS a JOIN survey.stars AS b "
        "ON 1 = vogate_match(a.ra, a.dec, b.ra, b.dec, 60)"
    )
    assert archive.matches_by_cells(archive.compile(text))
    stars = archive.tables["stars"]
    v = oracle.vectors(stars["ra"].to_numpy(), stars["dec"].to_numpy()).astype(float)
    numbers = stars["id"].to_numpy()
    near = (v @ v.T) > np.cos(np.radians(1.2 / 60))
    i, j = np.nonzero(near)
    close = oracle.angle(
        oracle.vectors(*np.array([stars["ra"], stars["dec"]])[:, i]),
        oracle.vectors(*np.array([stars["ra"], stars["dec"]])[:, j]),
    )
    wanted = {(int(numbers[a]), int(numbers[b])) for a, b, d in zip(i, j, close) if d <= 1 / 60}
    assert set(archive.run(text)) == wanted


def test_position_angles_are_astropy_s(archive):
    from astropy.coordinates import SkyCoord

    rows = archive.run(
        "SELECT ra, dec, vogate_position_angle(40, 20, ra, dec) FROM survey.stars WHERE id < 900"
    )
    there = SkyCoord([r[0] for r in rows], [r[1] for r in rows], unit="deg")
    wanted = SkyCoord(40, 20, unit="deg").position_angle(there).deg
    assert np.allclose((np.array([r[2] for r in rows]) - wanted + 180) % 360, 180, atol=1e-7)


def test_healpix_ancestors_and_areas(archive):
    text = (
        "SELECT vogate_healpix_ancestor(12, ivo_healpix_index(12, ra, dec), 5), ivo_healpix_index(5, ra, dec) "
        "FROM survey.stars"
    )
    assert all(a == b for a, b in archive.run(text))
    assert scalar(archive, "vogate_healpix_ancestor(3, 768, 2)") is None
    assert scalar(archive, "vogate_healpix_ancestor(3, 7, 4)") is None
    assert scalar(archive, "vogate_healpix_ancestor(29, 3458764513820540927, 0)") == 11
    assert scalar(archive, "12 * vogate_healpix_area(0)") == pytest.approx(4 * np.pi * np.degrees(1) ** 2)


MOCS = [
    "3/100-110 4/500",
    "0/1",
    "5/0-3071,4000",
    "29/0-4",
    "0/",
    "6/" + ",".join(map(str, range(0, 49152, 5))),
]


@pytest.mark.parametrize("text", MOCS, ids=range(len(MOCS)))
@pytest.mark.parametrize("column", ["ra", "ra + 0"])
def test_positions_in_mocs(archive, text, column):
    from astropy import units as u
    from mocpy import MOC

    stars = archive.tables["stars"]
    lon, lat = (stars[name].to_numpy() * u.deg for name in ("ra", "dec"))
    known = MOC.from_string(text.replace(",", " "), "ascii")
    wanted = np.flatnonzero(known.contains_lonlat(lon, lat)) if not known.empty() else []
    numbers = stars["id"].to_numpy()
    assert archive.ids(f"1 = vogate_in_moc('{text}', {column}, dec)") == sorted(
        int(numbers[i]) for i in wanted
    )


def test_mocs_of_shapes_miss_no_point(archive):
    for shape in (
        "CIRCLE(10, 20, 3)",
        "POLYGON(350, 80, 40, 85, 200, 88)",
        "BOX(180, -60, 10, 20)",
        "POINT(5, 5)",
    ):
        text = scalar(archive, f"vogate_moc(7, {shape})")
        inside = archive.ids(f"1 = CONTAINS(POINT(ra, dec), {shape})")
        assert set(inside) <= set(archive.ids(f"1 = vogate_in_moc('{text}', ra, dec)"))
    circle = shapes.circle(33, -5, 10)
    area = moc.area(moc.of_shape(circle, 8))
    assert shapes.area(circle) < area < 1.2 * shapes.area(circle)


def test_moc_algebra(archive):
    rng = np.random.default_rng(11)
    for _ in range(20):
        sets = [rng.random(12 * 4**2) < 0.4 for _ in "ab"]
        words = ["2/" + ",".join(map(str, np.flatnonzero(part))) for part in sets]
        for name, wanted in (("union", sets[0] | sets[1]), ("intersection", sets[0] & sets[1])):
            text = scalar(archive, f"vogate_moc_{name}('{words[0]}', '{words[1]}')")
            cells = np.arange(12 * 4**2, dtype=np.int64) << 54
            assert np.array_equal(moc.inside(cells, moc.parse(text)), wanted)
            found = scalar(archive, f"vogate_moc_area('{text}')")
            assert found == pytest.approx(wanted.sum() * 3437.746770784939 / 16)
    assert scalar(archive, "vogate_moc_area(name || 'x')") is None
    assert scalar(archive, "vogate_moc_union('1/0', name)") is None


def test_units(archive):
    assert scalar(archive, "vogate_convert(2, 'deg', 'arcsec')") == pytest.approx(7200)
    assert scalar(archive, "vogate_convert(12.398419843320026, 'keV', 'Angstrom')") == pytest.approx(1)
    assert scalar(archive, "vogate_convert(1, 'TeV', 'Hz')") == pytest.approx(2.417989242e26)
    assert scalar(archive, "vogate_convert(21.106114, 'cm', 'GHz')") == pytest.approx(1.4204057, rel=1e-6)
    assert scalar(archive, "vogate_convert(id - 3, 'm', 'Hz')") is None
    (column,) = archive.compile("SELECT vogate_convert(mag, 'keV', 'm') FROM survey.extra").columns
    assert column.unit == "m"


def test_time_scales_are_erfa_s(archive):
    import erfa

    for mjd in (41317.0, 44239.25, 50000.5, 53735.0, 53736.001, 57754.0, 60000.0):
        tai = erfa.utctai(2400000.5, mjd)
        tt = erfa.taitt(*tai)
        found = scalar(archive, f"vogate_utc_to_tt({mjd})")
        assert found == pytest.approx((tt[0] - 2400000.5) + tt[1], abs=1e-9)
        assert scalar(archive, f"vogate_tt_to_utc(vogate_utc_to_tt({mjd}))") == pytest.approx(mjd, abs=1e-9)
    assert scalar(archive, "vogate_utc_to_tt(41316)") is None
    assert (
        scalar(archive, "vogate_mjd_to_timestamp(ivo_to_mjd('2024-02-29T12:34:56.5'))")
        == "2024-02-29T12:34:56.5"
    )
    assert scalar(archive, "vogate_mjd_to_timestamp(1e9)") is None


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ivo_geom_transform('ICRS', 'GALCTIC', POINT(1, 2))", "no coordinate system"),
        ("ivo_geom_transform('ICRS', name, POINT(1, 2))", "written out"),
        (
            "ivo_geom_transform('ICRS', 'FK5', REGION('Union(Circle 1 2 3 Circle 4 5 6)'))",
            "a point, a circle",
        ),
        ("ivo_histogram(mag, 1, 1, 5)", "larger"),
        ("ivo_histogram(mag, 0, 1, 0)", "1 to 10000"),
        ("ivo_histogram(mag, 0, mag, 5)", "written out"),
        ("ivo_histogram(MAX(mag), 0, 1, 5)", "cannot stand"),
        ("ivo_epoch_prop_pos(1, 2, 3)", "takes 8 or 6"),
        ("vogate_in_moc('3/768', id, id)", "no cells"),
        ("vogate_in_moc('hello', id, id)", "no place in a MOC"),
        ("vogate_in_moc(id, id, id)", "a MOC"),
        ("vogate_moc_area('no moc')", "no place in a MOC"),
        ("vogate_moc(29, CIRCLE(1, 2, 3))", "order"),
        ("vogate_convert(mag, 'kg', 'm')", "cannot be converted"),
        ("vogate_convert(mag, 'foo', 'm')", "not a unit"),
        ("vogate_match(1, 95, 2, 3, 4)", "latitude"),
        ("vogate_match(1, 2, 3, 4, 'x')", "number"),
    ],
)
def test_wrong_calls_are_refused_where_they_are(archive, expression, message):
    with pytest.raises(QueryError, match=message) as failure:
        archive.compile(f"SELECT {expression} FROM survey.extra")
    assert failure.value.line == 1
    assert failure.value.column > 7


def test_every_special_function_is_declared():
    from tap.adql import specials

    assert set(specials.CALLS) <= udf.NAMES
