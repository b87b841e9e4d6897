"""`vogate publish`: files of every kind, their metadata, replacement, and what is refused."""

from __future__ import annotations

import argparse
import re
import threading
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table

from gateway.cli.main import parser
from gateway.vo.caller import ANONYMOUS
from gateway.vo.errors import GatewayError
from tap import archive, loading, publish_commands, service

pytestmark = pytest.mark.django_db

ROWS = 300


@pytest.fixture
def stars() -> Table:
    """A table with units, UCDs, nulls, texts and arrays."""
    random = np.random.default_rng(3)
    table = Table(meta={"description": "Made-up stars"})
    table["id"] = np.arange(ROWS) + 2**53 + 1
    table["RAJ2000"] = random.uniform(0, 360, ROWS) * u.deg
    table["DEJ2000"] = np.degrees(np.arcsin(random.uniform(-1, 1, ROWS))) * u.deg
    table["mag"] = MaskedColumn(
        random.normal(12, 2, ROWS).astype("f4"), mask=np.arange(ROWS) % 7 == 0, unit="mag"
    )
    table["mag"].description = "Brightness"
    table["mag"].meta["ucd"] = "phot.mag"
    table["n"] = MaskedColumn(np.arange(ROWS, dtype="i2"), mask=np.arange(ROWS) % 5 == 0)
    table["name"] = [f"S {number}" for number in range(ROWS)]
    return table


def write(table: Table, path: Path) -> Path:
    """The table as a file in the format of its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".vot":
            serialization = path.stem.split("_")[-1]
            document = from_table(table)
            for field in document.get_first_table().fields:
                if field.name == "n":
                    field.values.null = -1
                field.ucd = {"mag": "phot.mag"}.get(field.name)
            writeto(document, str(path), tabledata_format=serialization)
        elif path.suffix == ".parquet":
            mag = pa.field("mag", pa.float32(), metadata={"unit": "mag", "ucd": "phot.mag"})
            plain = pa.table(
                {
                    name: pa.array(np.ma.getdata(table[name]), mask=np.ma.getmaskarray(table[name].data))
                    for name in table.colnames
                }
            )
            fields = [mag if field.name == "mag" else field for field in plain.schema]
            pq.write_table(plain.cast(pa.schema(fields)), path, row_group_size=100)
        elif path.suffix == ".ecsv":
            table.write(path, format="ascii.ecsv")
        elif path.suffix == ".csv":
            table.write(path, format="ascii.csv")
        else:
            table.write(path)
    return path


def run(*words: object) -> int:
    args = parser().parse_args([str(word) for word in words])
    return int(getattr(publish_commands, args.command)(args))


def rows(table: str, columns: str = "*") -> dict[str, list[object]]:
    return service.fetch(f"SELECT {columns} FROM {table}", ANONYMOUS, maxrec=10_000)[1].to_pydict()


@pytest.mark.parametrize(
    "name", ["a.fits", "a_tabledata.vot", "a_binary.vot", "a_binary2.vot", "a.parquet", "a.ecsv", "a.csv"]
)
def test_values_units_and_positions_come_through_every_format(
    empty_archive: Path, tmp_path: Path, stars: Table, name: str
) -> None:
    path = write(stars, tmp_path / name)
    assert run("publish", path, "--schema", "test", "--table", "stars") == 0
    table = archive.current().table("test", "stars")
    assert table.nrows == ROWS
    assert table.position == ("RAJ2000", "DEJ2000")
    found = {column.name: column for column in table.columns}
    assert found["RAJ2000"].ucd == "pos.eq.ra;meta.main"
    if name != "a.csv":
        assert found["mag"].unit == "mag"
    if name.endswith(("vot", "parquet", "ecsv")):
        assert found["mag"].ucd == "phot.mag"
    if name.endswith(("ecsv", "vot")):
        assert found["mag"].description == "Brightness"
    columns = service.fetch("SELECT * FROM test.stars ORDER BY id", ANONYMOUS)[1]
    for column in stars.colnames:
        mask = np.ma.getmaskarray(stars[column].data)
        values = columns[column].to_pylist()
        assert [value is None for value in values] == mask.tolist(), column
        expected = [value for value, missing in zip(stars[column].tolist(), mask, strict=True) if not missing]
        got = [value for value in values if value is not None]
        assert got == (pytest.approx(expected, rel=1e-6) if column == "mag" else expected), column


def test_quotes_in_the_header_of_ecsv_hide_no_rows(empty_archive: Path, tmp_path: Path) -> None:
    """astropy puts double quotes round names with blanks, and round all that is not ASCII."""
    table = Table({"My Col": ["a", "b c"], 'a"b': [1, 2], "gr\u00f6\u00dfe": [0.5, 1.5]})
    table["My Col"].description = "\u00c5ngstr\u00f6m, 'quoted': \"so\""
    write(table, tmp_path / "a.ecsv")
    assert run("publish", tmp_path / "a.ecsv", "--schema", "test") == 0
    columns, rows = service.fetch('SELECT * FROM test.a ORDER BY "a""b"', ANONYMOUS)
    assert [column.name for column in columns] == table.colnames
    assert columns[0].description == table["My Col"].description
    assert [list(row.values()) for row in rows.to_pylist()] == [["a", 1, 0.5], ["b c", 2, 1.5]]


@pytest.mark.parametrize("notes", ["", "region: s_region"])
def test_regions_are_geometries_that_queries_take(empty_archive: Path, tmp_path: Path, notes: str) -> None:
    (tmp_path / "a.csv").write_text("n,s_region\n1,Circle ICRS 10 20 1\n2,Polygon 50 0 52 0 52 2 50 2\n3,\n")
    (tmp_path / "a.yaml").write_text(notes)
    assert run("publish", tmp_path / "a.csv", "--schema", "test") == 0
    assert archive.current().table("test", "a").region == "s_region"
    assert rows("test.a WHERE 1 = CONTAINS(POINT(10.5, 20), s_region)", "n, AREA(s_region) AS a") == {
        "n": [1],
        "a": [pytest.approx(3.1415, abs=1e-3)],
    }
    assert rows("test.a WHERE 1 = INTERSECTS(s_region, CIRCLE(53, 1, 1.1))", "n") == {"n": [2]}


def test_regions_of_arrays_are_geometries_and_may_be_none(empty_archive: Path, tmp_path: Path) -> None:
    table = pa.table(
        {"n": [1, 2], "corners": [[50.0, 0, 52, 0, 52, 2], [1.0, 1, 2, 1, 2, 2]], "s_region": ["N", "S"]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(GatewayError, match="s_region") as refused:
        run("publish", tmp_path / "a.parquet", "--schema", "test")
    assert "region: none" in str(refused.value.hint)
    (tmp_path / "a.yaml").write_text("region: corners")
    assert run("publish", tmp_path / "a.parquet", "--schema", "test") == 0
    assert rows("test.a WHERE 1 = CONTAINS(POINT(51.5, 1), corners)", "n") == {"n": [1]}
    (tmp_path / "a.yaml").write_text("region: none")
    assert run("publish", tmp_path / "a.parquet", "--schema", "test") == 0
    assert rows("test.a WHERE s_region = 'N'", "n") == {"n": [1]}


def votable_of(*moments: str) -> bytes:
    cells = "".join(f"<TR><TD>{moment}</TD></TR>" for moment in moments)
    field = '<FIELD name="t" datatype="char" arraysize="*" xtype="timestamp"/>'
    return (
        f'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>{field}'
        f"<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def test_empty_timestamps_are_missing_and_no_query_fails_of_them(empty_archive: Path, tmp_path: Path) -> None:
    (tmp_path / "a.vot").write_bytes(votable_of("2020-01-02", "", " 2020-01-01T12:00:00.5Z ", " "))
    assert run("publish", tmp_path / "a.vot", "--schema", "test") == 0
    assert rows("test.a WHERE t IS NOT NULL ORDER BY t", "t") == {
        "t": ["2020-01-01T12:00:00.5Z", "2020-01-02"]
    }
    assert rows("test.a WHERE t > '2020-01-01T13:00:00'", "COUNT(*) AS n") == {"n": [1]}


@pytest.mark.parametrize("moment", ["2020-13-45", "yesterday", "2020-01-01T12", "2020-01-01T12:00:00+01:00"])
def test_what_is_no_timestamp_is_refused_unless_it_is_said_to_be_text(
    empty_archive: Path, tmp_path: Path, moment: str
) -> None:
    (tmp_path / "a.vot").write_bytes(votable_of("2020-01-02", moment))
    with pytest.raises(GatewayError, match=re.escape(f"'{moment}' is no timestamp")):
        run("publish", tmp_path / "a.vot", "--schema", "test")
    (tmp_path / "a.yaml").write_text("columns: {t: {xtype: ''}}")
    assert run("publish", tmp_path / "a.vot", "--schema", "test") == 0
    assert sorted(map(str, rows("test.a", "t")["t"])) == sorted(["2020-01-02", moment])


def test_what_is_masked_in_a_parquet_file_of_astropy_is_missing(
    empty_archive: Path, tmp_path: Path, stars: Table
) -> None:
    """astropy writes the values under the mask, and the mask as a column of its own; units in a YAML of the footer."""
    stars.write(tmp_path / "a.parquet")
    assert any(name.endswith(".mask") for name in pq.read_schema(tmp_path / "a.parquet").names)
    assert run("publish", tmp_path / "a.parquet", "--schema", "test") == 0
    table = archive.current().table("test", "a")
    assert [column.name for column in table.columns] == stars.colnames
    mag = table.columns[stars.colnames.index("mag")]
    assert (mag.unit, mag.description, mag.ucd) == ("mag", "Brightness", "phot.mag")
    found = rows("test.a", "*")
    for name in stars.colnames:
        mask = np.ma.getmaskarray(stars[name].data)
        order = np.argsort(stars["id"])
        assert [
            value is None
            for _, value in sorted(zip(found["id"], found[name], strict=True), key=lambda p: p[0])
        ] == (mask[order].tolist()), name


def test_positions_are_indexed(empty_archive: Path, tmp_path: Path, stars: Table) -> None:
    run("publish", write(stars, tmp_path / "a.fits"), "--schema", "test")
    assert archive.current().table("test", "a").columns[1].indexed
    inside = service.count(
        "SELECT id FROM test.a WHERE 1 = CONTAINS(POINT(RAJ2000, DEJ2000), CIRCLE(10, 20, 30))", ANONYMOUS
    )
    from astropy.coordinates import SkyCoord

    centre = SkyCoord(10, 20, unit="deg")
    expected = (SkyCoord(stars["RAJ2000"], stars["DEJ2000"]).separation(centre).deg <= 30).sum()
    assert inside == expected > 0


def test_the_yaml_beside_the_file_has_the_last_word(
    empty_archive: Path, tmp_path: Path, stars: Table
) -> None:
    path = write(stars, tmp_path / "a.csv")
    (tmp_path / "a.yaml").write_text(
        "table: bright\ndescription: The brightest\nposition: none\ninfo: {citation: 2020A&A...1..1A}\n"
        "columns:\n  mag: {unit: mag, ucd: phot.mag;em.opt.V, description: V, name: vmag, datatype: double}\n"
        "  name: {skip: true}\n"
    )
    run("publish", path, "--schema", "test")
    table = archive.current().table("test", "bright")
    assert (table.description, table.position) == ("The brightest", None)
    assert table.info == (("citation", "2020A&A...1..1A"),)
    assert [column.name for column in table.columns] == ["id", "RAJ2000", "DEJ2000", "vmag", "n"]
    assert table.columns[3].ucd == "phot.mag;em.opt.V"
    assert len(rows("test.bright", "vmag")["vmag"]) == ROWS


def test_the_printed_yaml_is_accepted_as_it_is(
    empty_archive: Path, tmp_path: Path, stars: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(stars, tmp_path / "a.ecsv")
    run("publish", path, "--schema", "test", "--describe")
    assert archive.current().schema("test") is None
    (tmp_path / "a.ecsv.yaml").write_text(capsys.readouterr().out)
    run("publish", path, "--schema", "test")
    assert archive.current().table("test", "a").position == ("RAJ2000", "DEJ2000")


def test_tables_are_added_replaced_listed_and_taken_away(
    empty_archive: Path, tmp_path: Path, stars: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = write(stars, tmp_path / "one.fits"), write(stars[:10], tmp_path / "two.fits")
    run("publish", first, second, "--schema", "test", "--description", "For tests")
    run("publish", second, "--schema", "TEST", "--table", "One")
    schema = archive.current().schema("test")
    assert schema is not None
    assert schema.description == "For tests"
    assert {table.name: table.nrows for table in schema.tables} == {"two": 10, "One": 10}
    capsys.readouterr()
    run("tables")
    listed = capsys.readouterr().out
    assert "test.two" in listed
    assert "test.One" in listed
    run("unpublish", "test.two")
    assert [table.name for table in archive.current().schema("test").tables] == ["One"]  # type: ignore[union-attr]
    assert len(rows("test.one")["id"]) == 10
    run("unpublish", "test.one")
    assert archive.current().schema("test") is None
    with pytest.raises(GatewayError, match="no schema"):
        run("unpublish", "test")


def test_several_files_become_one_table(empty_archive: Path, tmp_path: Path, stars: Table) -> None:
    parts = [write(stars[:100], tmp_path / "p1.fits"), write(stars[100:], tmp_path / "p2.fits")]
    run("publish", *parts, "--schema", "test", "--table", "all_stars")
    assert sorted(rows("test.all_stars", "id")["id"]) == stars["id"].tolist()  # type: ignore[type-var]
    other = stars.copy()
    other.rename_column("mag", "magnitude")
    with pytest.raises(GatewayError, match="other columns"):
        run(
            "publish",
            parts[0],
            write(other, tmp_path / "p3.fits"),
            "--schema",
            "test",
            "--table",
            "all_stars",
        )


def test_queries_run_while_a_table_is_replaced(empty_archive: Path, tmp_path: Path, stars: Table) -> None:
    small, large = write(stars[:100], tmp_path / "s.fits"), write(stars, tmp_path / "l.fits")
    run("publish", small, "--schema", "test", "--table", "t")
    failures: list[BaseException] = []

    def publish() -> None:
        try:
            for path in (large, small) * 3:
                run("publish", path, "--schema", "test", "--table", "t")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    seen = set()
    while thread.is_alive():
        seen.add(service.count("SELECT id FROM test.t", ANONYMOUS))
    thread.join()
    assert not failures
    assert seen <= {100, ROWS}


def test_rows_beyond_the_memory_limit_are_sorted_on_disk(empty_archive: Path, tmp_path: Path) -> None:
    count = 600_000  # 30 MB of columns, more than half of what is allowed
    random = np.random.default_rng(5)
    path = tmp_path / "large.parquet"
    table = pa.table(
        {"n": np.arange(count), "ra": random.uniform(0, 360, count), "dec": random.uniform(-90, 90, count)}
        | {f"x{number}": random.uniform(0, 1, count) for number in range(10)}
    )
    pq.write_table(table, path)
    run("publish", path, "--schema", "test", "--memory", "64MB", "--quiet")
    assert archive.current().table("test", "large").nrows == count
    columns, total = service.fetch("SELECT SUM(n) AS s, COUNT(DISTINCT n) AS c FROM test.large", ANONYMOUS)
    assert total.to_pylist() == [{"s": count * (count - 1) // 2, "c": count}]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "a.csv", "empty"),
        (b"\x00\x01\x02", "a.dat", "no format"),
        (b"a,b\n1,2\n3\n", "a.csv", "line 3"),
        (b"<VOTABLE><RESOURCE/></VOTABLE>", "a.vot", "no TABLE"),
        (b"<!DOCTYPE x><VOTABLE/>", "a.vot", "DTD"),
        (b"PAR1 and nothing more", "a.parquet", "cannot be read"),
        (b"ra,dec\n10,91\n", "a.csv", "no declination"),
        (b"# %ECSV 1.0\n# nothing\nx\n", "a.ecsv", "ECSV header"),
        (b"_x,X\n1,2\n", "ivoa", "ingest"),
    ],
)
def test_what_cannot_be_published_is_refused_and_changes_nothing(
    empty_archive: Path, tmp_path: Path, content: bytes, name: str, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(GatewayError, match=message):
        run("publish", path, "--schema", "ivoa" if name == "ivoa" else "test", "--table", "t")
    assert archive.current().version == 0
    assert [item.name for item in empty_archive.glob("*")] in ([], [".lock"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colums: {}", "Did you mean columns"),
        ("columns: {ra2: {unit: deg}}", "no column ra2"),
        ("columns: {ra: {units: deg}}", "Did you mean unit"),
        ("columns: {ra: {datatype: real}}", "no datatype"),
        ("position: [ra]", "position must be"),
        ("position: [name, dec]", "no column of numbers"),
        ("keys: [{from: ra, target: t}]", "schema.table"),
        ("a: [", "no YAML"),
    ],
)
def test_mistakes_in_the_yaml_are_named(empty_archive: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ra,dec,name\n1,2,x\n")
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(GatewayError, match=message):
        run("publish", path, "--schema", "test")


def test_names_that_clash_or_are_hidden_get_others(empty_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.vot"
    path.write_text(
        '<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        + "".join(f'<FIELD name="{name}" datatype="int"/>' for name in ("_r", "a", "A", "r"))
        + "<DATA><TABLEDATA><TR><TD>1</TD><TD>2</TD><TD>3</TD><TD>4</TD></TR></TABLEDATA></DATA>"
        "</TABLE></RESOURCE></VOTABLE>"
    )
    run("publish", path, "--schema", "test")
    assert rows("test.a") == {"r_2": [1], "a": [2], "A_2": [3], "r": [4]}


def test_a_failing_batch_leaves_the_archive_as_it_was(
    empty_archive: Path, tmp_path: Path, stars: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(stars, tmp_path / "a.fits")
    run("publish", path, "--schema", "test")
    before = archive.manifest_path().read_text()

    def fail(*_: object) -> object:
        raise ValueError("broken")

    monkeypatch.setattr(loading.spatial, "add_columns", fail)
    with pytest.raises(GatewayError, match="broken"):
        run("publish", path, "--schema", "test")
    assert archive.manifest_path().read_text() == before


def test_the_commands_are_declared() -> None:
    args = parser().parse_args(["publish", "a.fits", "--schema", "s"])
    assert isinstance(args, argparse.Namespace)
    assert args.memory == "1GB"
