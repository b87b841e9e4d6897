"""pyvo and STILTS understand the service descriptor of a tool."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from lxml import etree
from pyvo.dal.adhoc import DatalinkResults

from tests.conftest import require
from tests.uws.tools.descriptions import tool
from uws.tools.descriptors import service_descriptor

NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
VOTABLE = f"""<VOTABLE xmlns="{NAMESPACE}" version="1.4"><RESOURCE type="results"><TABLE>
<FIELD ID="did" name="ID" datatype="char" arraysize="*" ucd="meta.id;meta.main"/>
<FIELD name="access_url" datatype="char" arraysize="*"/>
<DATA><TABLEDATA><TR><TD>ivo://a/b?1</TD><TD>http://localhost/1</TD></TR></TABLEDATA></DATA>
</TABLE></RESOURCE></VOTABLE>"""


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    root = etree.fromstring(VOTABLE)
    measure = tool(tmp_path / "tools")
    root.append(service_descriptor(measure, "https://example.org/gw", id_ref="did", namespace=NAMESPACE))
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def test_pyvo_finds_the_service_and_its_parameters(document: bytes) -> None:
    from astropy.io.votable import parse

    (service,) = list(DatalinkResults(parse(io.BytesIO(document))).iter_adhocservices())
    values = {param.name: param.value for param in service.params}
    assert values["accessURL"] == "https://example.org/gw/uws/measure/sync"
    assert values["contentType"] == "application/json"
    inputs = {param.name: param for group in service.groups for param in group.entries}
    assert list(inputs)[:2] == ["files", "low"]
    assert inputs["files"].ref == "did"
    assert inputs["low"].value == 0.5
    assert not inputs["low"].values.min_inclusive
    assert inputs["mode"].values.options == [("fast", "fast"), ("Slow and good", "slow")]


@pytest.mark.stilts
def test_votlint_finds_nothing(document: bytes, tmp_path: Path) -> None:
    require("stilts", "stilts")
    path = tmp_path / "links.vot"
    path.write_bytes(document)
    done = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
