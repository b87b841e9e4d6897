"""Results that their owners publish in the archive."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from gateway.vo.caller import Caller
from gateway.vo.errors import Conflict, Forbidden, NotAuthenticated, UsageError
from obscore import lookup, product_row, products
from obscore.models import Observation
from provenance import models
from provenance.lineage import Node, lineage
from tests.obscore.conftest import Ingest
from tests.uws.builders import make_tools, work
from uws import controller, remaking, replay, withdrawing
from uws.comparing import State
from uws.creation import Upload
from uws.models import Job
from uws.tools import registry

pytestmark = pytest.mark.django_db(transaction=True)

DID = "ivo://vogate.demo/little?{}"


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, settings: Any, ingest_little: Ingest) -> Iterator[None]:
    """The little archive, with the tools of the controller's tests."""
    settings.VOGATE_HOME, settings.VOGATE_JOBS = tmp_path / "home", tmp_path / "jobs"
    ingest_little()
    folder = make_tools(tmp_path / "tools")
    probe = folder / "probe.py"
    probe.write_text(
        probe.read_text().replace('open(f["path"]).read()', 'open(f["path"], "rb").read().hex()[:40]')
    )
    with registry.using(folder):
        yield


def account(name: str) -> Caller:
    user = get_user_model().objects.get_or_create(username=name)[0]
    return Caller(user_id=user.pk, username=name, method="cookie")


def signed_in(name: str) -> Client:
    client = Client(headers={"Origin": "http://testserver"})
    client.force_login(get_user_model().objects.get_or_create(username=name)[0])
    return client


@pytest.fixture
def vera() -> Caller:
    return account("vera")


def run(caller: Caller, *inputs: str, **values: Any) -> Job:
    return work(controller.create("probe", values, caller, inputs={"files": list(inputs)}, run=True))


def links(did: str) -> list[dict[str, str]]:
    answer = Client().get(f"/datalink/links?ID={quote(did, safe='')}").content
    table = parse(io.BytesIO(answer)).get_first_table().array
    return [{name: str(row[name]) for name in table.dtype.names} for row in table]


def in_obscore(client: Client, condition: str) -> list[str]:
    query = {"LANG": "ADQL", "FORMAT": "csv"}
    query["QUERY"] = f"SELECT obs_publisher_did FROM ivoa.obscore WHERE {condition}"
    return client.get("/tap/sync", query).getvalue().decode().split()[1:]


def test_a_published_result_is_an_observation_with_links_to_what_it_was_made_from(vera: Caller) -> None:
    first = run(vera, DID.format(101), DID.format(102), text="a")
    second = run(vera, f"job:{first.pk}/text", text="b")
    product = products.publish(second.pk, "text", vera, title="My product", kind="measurements")
    sources = Observation.objects.filter(obs_id__in=["101", "102"])
    assert product.row["t_exptime"] == pytest.approx(sum(one.row["t_exptime"] for one in sources))
    assert product.row["t_min"] == min(one.row["t_min"] for one in sources)
    assert in_obscore(Client(), "dataproduct_type = 'measurements'") == [product.did]
    found = links(product.did)
    (this,) = (row for row in found if row["semantics"] == "#this")
    assert Client().get(this["access_url"]).getvalue() == second.results.get().path.read_bytes()
    progenitors = {row["access_url"] for row in found if row["semantics"] == "#progenitor"}
    assert progenitors == {f"http://testserver{one.product.url_path}" for one in sources}  # type: ignore[union-attr]
    (derived,) = (row for row in links(DID.format(101)) if row["semantics"] == "#derivation")
    assert derived["access_url"] == this["access_url"]
    assert not [row for row in links(DID.format(103)) if row["semantics"] == "#derivation"]
    (document,) = (row for row in found if "PROV-JSON" in row["description"])
    told = Client().get(document["access_url"].removeprefix("http://testserver")).json()
    assert "/data/little/101/" in str(told["entity"]), "back to the files of the archive"
    assert "withheld" not in str(told), "the owner has opened the records that lead to it"
    page = Client().get(f"/obs/products/{quote(product.obs_id)}/").content.decode()
    assert "My product" in page
    assert "Made from" in page


def test_what_is_withdrawn_stays_and_says_so_wherever_it_is_found(vera: Caller) -> None:
    job = run(vera, DID.format(101), text="a")
    other = run(vera, DID.format(103), text="b")
    wrong, right = (products.publish(one.pk, "text", vera, title="Spectrum") for one in (job, other))
    page = f"/obs/products/{quote(wrong.obs_id)}/"
    assert "not to be relied on" not in Client().get(page).content.decode()
    withdrawal = withdrawing.withdraw(DID.format(101), "The pointing was wrong.")
    assert in_obscore(Client(), "withdrawn IS NOT NULL ORDER BY 1") == [DID.format(101), wrong.did]
    assert right.did in in_obscore(Client(), "withdrawn IS NULL")
    for did in (wrong.did, DID.format(101)):
        (this,) = (row for row in links(did) if row["semantics"] == "#this")
        assert this["description"].startswith("WITHDRAWN ")
        assert "The pointing was wrong." in this["description"]
        assert Client().get(this["access_url"]).status_code == 200
        told = [row for row in links(did) if row["access_url"].endswith(f"/withdrawal/{withdrawal.pk}/")]
        assert [row["semantics"] for row in told] == ["#documentation"]
    assert "WITHDRAWN" not in str(links(right.did))
    shown = Client().get(page).content.decode()
    assert "not to be relied on" in shown
    assert f"/provenance/withdrawal/{withdrawal.pk}/" in shown
    again = products.publish(run(vera, DID.format(102), text="c").pk, "text", vera)
    assert len(in_obscore(Client(), "withdrawn IS NOT NULL")) == 2, "also after the next publication"
    assert again.did in in_obscore(Client(), "withdrawn IS NULL")


def run_all() -> None:
    while job := Job.objects.filter(phase="QUEUED").first():
        work(job)


def withdrawn(job: Job) -> bool:
    return models.Entity.objects.filter(pk=f"{job.pk}/text", withdrawal__isnull=False).exists()


def test_what_was_made_from_a_published_product_is_made_again_from_its_successor(
    vera: Caller, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    get_user_model().objects.filter(username="vera").update(email="vera@example.org")
    first = run(vera, DID.format(101), text="1-")
    product = products.publish(first.pk, "text", vera)
    second, own = run(account("max"), product.did, text="2-"), run(vera, product.did, text="3-")
    withdrawal = withdrawing.withdraw(DID.format(101), "The pointing was wrong.")
    asked = remaking.request(withdrawal, instead=DID.format(103), tell=True)
    assert {row.job: row.state for row in asked} == {first.pk: "QUEUED", second.pk: "waits", own.pk: "waits"}
    assert {row.text for row in asked if row.state == "waits"} == {f"for {first.pk}"}
    run_all()
    made = {row.job: row for row in remaking.standing(withdrawal.pk)}
    new = Job.objects.get(pk=made[first.pk].new)
    assert [one.identifier for one in new.inputs.all()] == [DID.format(103)]
    assert [one.identifier for one in Job.objects.get(pk=made[own.pk].new).inputs.all()] == [
        f"job:{new.pk}/text"
    ]
    assert (made[second.pk].state, made[second.pk].new) == ("waits", ""), "the new product is vera's alone"
    assert f"the owner of {product.did} to publish" in made[second.pk].text
    (message,) = mail.outbox
    assert product.did in message.body
    assert new.page_url in message.body
    successor = products.publish(new.pk, "text", vera)
    remaking.tend()
    run_all()
    made = {row.job: row for row in remaking.standing(withdrawal.pk)}
    last = Job.objects.get(pk=made[second.pk].new)
    assert [one.identifier for one in last.inputs.all()] == [successor.did]
    assert [withdrawn(one) for one in (first, second, new, last)] == [True, True, False, False]


def test_what_is_made_with_withdrawn_data_later_is_touched_too(vera: Caller, ingest_little: Ingest) -> None:
    before = run(vera, DID.format(101), text="before")
    withdrawal = withdrawing.withdraw(DID.format(101), "The pointing was wrong.")
    after = run(vera, DID.format(101), text="after")
    further = run(vera, f"job:{after.pk}/text", text="further")
    other = run(vera, DID.format(103), text="other")
    assert [withdrawn(one) for one in (before, after, further, other)] == [True, True, True, False]
    file = Observation.objects.get(did=DID.format(101)).product
    assert file is not None
    with fits.open(file.absolute, mode="update") as hdus:
        hdus[0].header["COMMENT"] = "The pointing is right now."
    ingest_little()
    assert in_obscore(Client(), "withdrawn IS NOT NULL") == [], "its bytes are others now"
    assert "WITHDRAWN" not in str(links(DID.format(101)))
    remaking.request(withdrawal)
    run_all()
    new = [Job.objects.get(pk=row.new) for row in remaking.standing(withdrawal.pk)]
    assert [withdrawn(one) for one in new] == [False] * 3


def test_what_a_withdrawn_tool_makes_later_is_touched_too(vera: Caller, tmp_path: Path) -> None:
    before = run(vera, DID.format(101), text="before")
    withdrawing.withdraw("probe@1.0", "It counted twice.")
    after = run(vera, DID.format(101), text="after")
    folder = make_tools(tmp_path / "mended")
    (folder / "probe.py").write_text((folder / "probe.py").read_text() + "# mended\n")
    with registry.using(folder):
        mended = run(vera, DID.format(101), text="mended")
    assert [withdrawn(one) for one in (before, after, mended)] == [True, True, False]


def test_it_outlives_its_job_and_is_taken_in_by_other_jobs(vera: Caller) -> None:
    job = run(vera, DID.format(101), text="kept ")
    product = products.publish(job.pk, "text", vera)
    controller.destroy(Job.objects.get(pk=job.pk))
    later = run(account("max"), product.did)
    assert later.results.get().path.read_text().startswith("hello" + b"kept".hex())
    document = lineage([Node("e", f"{later.pk}/text")], account("max"))
    assert DID.format(101) in document.all_entities()


def test_only_what_the_owner_opens_is_told_and_no_bytes(vera: Caller) -> None:
    upload = Upload("files", "secret list.txt", io.BytesIO(b"secret bytes"), "text/plain")
    before = work(controller.create("probe", {}, vera, uploads=[upload], run=True))
    job = run(vera, f"job:{before.pk}/text", text="public ")
    product = products.publish(job.pk, "text", vera, lineage=False)
    stranger = account("mallory")
    told = lineage([Node("e", product.did)], stranger)
    names = {entity.name for entity in told.all_entities().values()}
    assert "secret list.txt" not in names
    assert any(entity.withheld for entity in told.all_entities().values())
    products.publish(job.pk, "text", vera, lineage=True)
    told = lineage([Node("e", product.did)], stranger)
    assert "secret list.txt" in {entity.name for entity in told.all_entities().values()}
    client = signed_in("mallory")
    assert client.get(f"/provenance/{before.pk}.json").status_code == 200
    assert client.get(before.page_url).status_code == 403
    assert client.get(f"/provenance/{before.pk}.crate.zip").status_code == 403
    assert client.get(f"/{before.service_path}/{before.pk}/results/text").status_code == 403
    with pytest.raises(Conflict, match="gone"):
        replay.rerun(before.pk, stranger)
    mine = run(stranger, product.did)
    (output,) = replay.verify(before.pk, mine.pk, stranger).outputs
    assert output.state is State.UNKNOWN
    assert "secret" not in str(output.details)
    products.take_back(product.did, vera)
    assert client.get(f"/provenance/{before.pk}.json").status_code == 403


def test_a_job_that_used_what_its_name_alone_protects_is_not_opened(vera: Caller) -> None:
    nobodys = run(Caller())
    job = run(vera, f"job:{nobodys.pk}/text", text="x")
    assert products.draft(job.pk, "text", vera).opened == ()
    product = products.publish(job.pk, "text", vera)
    told = Client().get(f"/provsap?ID={quote(product.did, safe='')}&DEPTH=ALL").content.decode()
    assert nobodys.pk not in told


def test_taken_back_it_leaves_the_archive_and_a_tombstone(vera: Caller) -> None:
    job = run(vera, DID.format(101))
    product = products.publish(job.pk, "text", vera)
    with pytest.raises(Forbidden):
        products.take_back(product.did, account("mallory"))
    products.take_back(product.did, vera)
    assert in_obscore(Client(), "obs_collection = 'products'") == []
    assert "NotFoundFault" in links(product.did)[0]["error_message"]
    assert not [row for row in links(DID.format(101)) if row["semantics"] == "#derivation"]
    assert models.Entity.objects.get(pk=product.did).invalidatedAtTime
    again = products.publish(job.pk, "text", vera, title="Better")
    assert again.did == product.did
    assert models.Entity.objects.get(pk=product.did).invalidatedAtTime is None
    assert in_obscore(Client(), "obs_title = 'Better'") == [product.did]


def test_only_owners_publish_and_only_what_is_sound(vera: Caller, settings: Any) -> None:
    job = run(vera, DID.format(101))
    with pytest.raises(Forbidden):
        products.publish(job.pk, "text", account("mallory"))
    nobodys = run(Caller())
    with pytest.raises(NotAuthenticated):
        products.publish(nobodys.pk, "text", Caller())
    with pytest.raises(UsageError):
        products.publish(job.pk, "text", vera, kind="poem")
    with pytest.raises(Conflict, match="completed"):
        products.draft(run(vera, text="x", action="fail").pk, "text", vera)
    withdrawing.withdraw(DID.format(101), "Wrong pointing")
    with pytest.raises(Conflict, match="withdrawn"):
        products.publish(job.pk, "text", vera)
    settings.SITE.raw["products"] = {"publish": "nobody"}
    try:
        with pytest.raises(Forbidden):
            products.publish(job.pk, "text", vera)
    finally:
        del settings.SITE.raw["products"]
    assert not Observation.objects.filter(collection__name__in=products.collections()).exists()


def test_an_ingest_leaves_products_alone(vera: Caller, ingest_little: Ingest) -> None:
    job = run(vera, DID.format(101))
    product = products.publish(job.pk, "text", vera)
    ingest_little()
    assert in_obscore(Client(), "obs_collection = 'products'") == [product.did]


def test_pages_publish_and_take_back(vera: Caller) -> None:
    job = run(vera, DID.format(101), text="x")
    client = signed_in("vera")
    url = f"/jobs/{job.pk}/publish/text/"
    assert f'href="{url}"' in client.get(job.page_url).content.decode()
    assert "Run 101" in client.get(url).content.decode() or "101" in client.get(url).content.decode()
    told = client.post(url, {"action": "publish", "title": "<b>T</b>", "kind": "spectrum"}, follow=True)
    assert "&lt;b&gt;T&lt;/b&gt;" in told.content.decode()
    assert "In the archive" in client.get(job.page_url).content.decode()
    assert signed_in("mallory").get(url).status_code == 403
    assert Client().get(url).status_code == 403
    assert client.post(url, {"action": "explode"}, follow=True).status_code == 200
    client.post(url, {"action": "take-back"})
    assert lookup.find(f"products/{job.pk}.text").missing  # type: ignore[union-attr]


def test_an_image_says_itself_what_it_covers(tmp_path: Path) -> None:
    hdu = fits.ImageHDU(np.zeros((50, 100), dtype="float32"))
    cards = {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRPIX1": 50.5, "CRPIX2": 25.5}
    hdu.header.update(cards | {"CRVAL1": 0.0, "CRVAL2": 0.0, "CDELT1": -0.02, "CDELT2": 0.02})
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "map.fits")
    row = product_row.row_of([], tmp_path / "map.fits", "image")
    assert (row["s_ra"], row["s_dec"]) == (pytest.approx(266.405, abs=1e-3), pytest.approx(-28.936, abs=1e-3))
    assert row["s_fov"] == pytest.approx(np.hypot(2.0, 1.0), rel=1e-3)
    assert row["s_region"].startswith("POLYGON ICRS ")
    assert (row["s_xel1"], row["s_xel2"], row["calib_level"]) == (100, 50, 3)


def test_fields_of_several_pointings_lie_in_one_circle_across_the_meridian() -> None:
    rows = [{"s_ra": ra, "s_dec": 10.0, "s_fov": 1.0, "target_name": "A"} for ra in (359.5, 0.5)]
    row = product_row.row_of(rows, Path("none"), "spectrum")
    assert min(row["s_ra"], 360 - row["s_ra"]) == pytest.approx(0.0, abs=1e-9)
    assert row["s_fov"] == pytest.approx(2 * (0.5 * np.cos(np.radians(10)) + 0.5), rel=1e-3)
    assert row["target_name"] == "A"
