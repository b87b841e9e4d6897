"""The job list, the job page and the viewers, without a browser."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from lxml import html

from tests.portal.job_builders import add_result, full_job, make_job, spectrum_data, write_log
from tests.portal.job_fixtures import tools, visitor  # noqa: F401
from uws.models import Job
from uws.phases import Phase

pytestmark = pytest.mark.usefixtures("tools", "visitor")


@pytest.fixture
def mine(client):
    """Make jobs of this browser session."""
    return lambda *args, **fields: make_job(client.session.session_key, *args, **fields)


def page(response):
    assert response.status_code == 200, response.content[:500]
    return html.fromstring(response.content.decode())


def test_the_list_shows_the_jobs_of_this_session_alone(client, mine):
    job = mine(run_id="mine")
    make_job("another session", run_id="theirs")
    make_job(run_id="by address")
    tree = page(client.get("/jobs/"))
    assert tree.xpath("//tbody//a/@href") == [job.page_url]


def test_an_empty_list_says_how_to_begin(client):
    assert "Find observations" in page(client.get("/jobs/")).text_content()


def test_the_list_is_filtered_by_phase_and_label(client, mine):
    done, failed = mine(run_id="alpha"), mine(Phase.ERROR, run_id="beta")
    assert page(client.get("/jobs/?phase=ERROR")).xpath("//tbody//a/@href") == [failed.page_url]
    assert page(client.get("/jobs/?q=alph")).xpath("//tbody//a/@href") == [done.page_url]
    assert "No job fits" in page(client.get("/jobs/?phase=HELD")).text_content()


def test_the_list_has_pages_newest_first(client, mine):
    jobs = [mine(run_id=str(number)) for number in range(32)]
    for number, job in enumerate(jobs):  # the clock may give two of them the same millisecond
        Job.objects.filter(pk=job.pk).update(creation_time=job.creation_time + timedelta(seconds=number))
    first = page(client.get("/jobs/"))
    assert first.xpath("//tbody//a/@href")[0] == jobs[-1].page_url
    (older,) = first.xpath("//a[@rel='next']/@href")
    assert len(page(client.get("/jobs/" + older)).xpath("//tbody//a")) == 2


def test_the_list_says_what_each_job_works_on(client, mine):
    mine()
    query = mine(tool_name="tap", parameters={"QUERY": "SELECT TOP 1 *\n  FROM ivoa.obscore"})
    query.inputs.all().delete()
    newest, older = page(client.get("/jobs/")).xpath("//tbody/tr/th")
    assert "SELECT TOP 1 * FROM ivoa.obscore" in newest.text_content()
    assert "hess-dl3-dr1 23523 (Crab) and 1 more" in older.text_content()


def test_ticked_jobs_are_deleted_and_those_of_others_are_not(client, mine):
    job, other = mine(), make_job("another session")
    assert client.post("/jobs/", {"action": "delete", "job": [job.id, other.id]}).status_code == 303
    assert client.get(job.page_url).status_code == 404
    assert Job.objects.filter(pk=other.pk, deleted_at=None).exists()


def test_a_running_job_is_cancelled_from_its_page(client, mine):
    job = mine(Phase.EXECUTING)
    response = client.post(job.page_url, {"action": "abort"})
    assert (response.status_code, response["Location"]) == (303, job.page_url)
    assert "ABORTED" in page(client.get(job.page_url)).get_element_by_id("phase").text


def test_the_page_of_somebody_elses_job_is_403_and_of_none_404(client):
    response = client.get(make_job("another session").page_url)
    assert response.status_code == 403
    assert "belongs to somebody else" in html.fromstring(response.content.decode()).findtext(".//h1")
    assert client.get("/jobs/" + "a" * 26 + "/").status_code == 404


def test_a_job_without_a_session_is_seen_by_whoever_has_its_address(client):
    assert client.get(make_job().page_url).status_code == 200


def test_a_second_browser_with_the_session_sees_the_same_state(client, mine):
    job = mine(Phase.EXECUTING, progress=0.4, stage="Fitting")
    other = Client()
    other.cookies = client.cookies
    state = other.get(f"{job.page_url}state/").json()
    assert (state["phase"], state["progress"], state["status"]) == ("EXECUTING", 0.4, "Fitting …")


def test_a_request_over_many_inputs_does_not_complain_that_it_has_no_results_of_its_own(client, mine):
    batch = mine(each="obs", executor="batch")
    tree = page(client.get(batch.page_url))
    assert "without results" not in tree.text_content()
    assert not tree.xpath("//*[@id='log'] | //a[.='Run again with changes']")
    assert "EACH=obs" in tree.get_element_by_id("script-curl").text
    assert tree.xpath(f"//a[@href='{batch.uws_url}/results.zip']")
    assert (
        page(client.get(mine(Phase.EXECUTING, each="obs", executor="batch").page_url)).get_element_by_id(
            "log"
        )
        is not None
    )


def test_the_page_of_an_active_job_refreshes_itself_without_scripts(client, mine):
    active = page(client.get(mine(Phase.QUEUED).page_url))
    assert active.xpath("//noscript/meta[@http-equiv='refresh']")
    assert not page(client.get(mine().page_url)).xpath("//noscript/meta")


def test_the_log_is_read_on_from_where_the_page_is(client, mine):
    job = mine(Phase.EXECUTING)
    first = client.get(f"{job.page_url}state/?log=0").json()
    assert first["log"] == "Reading 2 observations\nFitting\n"
    write_log(job, "Flüsse\n")
    second = client.get(f"{job.page_url}state/?log={first['log_next']}").json()
    assert second["log"] == "Flüsse\n"
    assert client.get(f"{job.page_url}state/?log=nonsense").status_code == 200


def test_a_queued_job_says_how_many_are_before_it(client, mine):
    job = mine(Phase.QUEUED)
    make_job("another session", Phase.QUEUED, queued_at=job.queued_at - timedelta(seconds=1))
    make_job("another session", Phase.QUEUED, queued_at=job.queued_at + timedelta(seconds=1))
    assert "1 job before it" in page(client.get(job.page_url)).get_element_by_id("status").text


def test_a_failed_job_shows_the_reason_and_the_end_of_its_log(client, mine):
    job = mine(Phase.ERROR, error_message="No event passes the cuts.")
    write_log(job, "".join(f"line {number}\n" for number in range(100)))
    tree = page(client.get(job.page_url))
    (section,) = tree.xpath("//*[@aria-labelledby='error-title']")
    assert "No event passes the cuts." in section.text_content()
    assert "line 99" in section.findtext("pre")
    assert "line 1\n" not in section.findtext("pre")


def test_parameters_have_titles_units_and_option_labels(client, mine):
    tree = page(client.get(mine().page_url))
    (meta,) = tree.xpath("//section[@aria-labelledby='parameters-title']//dl")
    shown = {dt.text: " ".join(dt.getnext().text_content().split()) for dt in meta.findall("dt")}
    assert shown["Right ascension"] == "83.633 deg"
    assert shown["Model"] == "Log-parabola"


def test_inputs_are_links_with_their_terms(client, mine):
    (section,) = page(client.get(mine().page_url)).xpath("//section[@aria-labelledby='inputs-title']")
    assert section.xpath(".//a/@href")[0] == "/obs/hess-dl3-dr1/23523/"
    assert "Cite the H.E.S.S. collaboration." in section.text_content()


def test_times_carry_their_zone(client, mine):
    (section,) = page(client.get(mine().page_url)).xpath("//section[@aria-labelledby='about-title']")
    texts = [node.text for node in section.xpath(".//time")]
    assert len(texts) == 4
    assert all(text.endswith(" UTC") for text in texts)


def test_a_spectrum_has_its_numbers_in_tables_and_in_json_for_the_plot(client):
    job = full_job(client.session.session_key)
    tree = page(client.get(job.page_url))
    (section,) = tree.xpath("//section[@id='result-spectrum-json']")
    assert "2.628 ± 0.061" in section.text_content()
    (script,) = section.xpath(".//script[@type='application/json']")
    assert json.loads(script.text)["fit"]["dof"] == 72
    assert section.xpath(".//figure/@data-json") == [script.get("id")]
    assert not section.xpath(".//*[contains(@class, 'alert-warning')]")


def test_a_bad_fit_is_marked(client):
    job = full_job(
        client.session.session_key, fit={"stat": 8940.0, "dof": 448, "success": True, "message": ""}
    )
    (warning,) = page(client.get(job.page_url)).xpath(
        "//section[@id='result-spectrum-json']//*[contains(@class, 'alert-warning')]"
    )
    assert "does not describe the data" in warning.text_content()


def test_a_picture_stands_with_its_fits_image_once(client):
    tree = page(client.get(full_job(client.session.session_key).page_url))
    assert len(tree.xpath("//img[contains(@src, 'counts.png')]")) == 1
    (figure,) = tree.xpath("//*[@data-skyimage]")
    assert float(figure.get("data-ra")) == pytest.approx(83.633, abs=1e-3)


def test_products_carry_the_samp_message_that_fits_them(client):
    tree = page(client.get(full_job(client.session.session_key).page_url))
    kinds = {
        box.get("data-url").rpartition("/")[2]: box.get("data-mtype")
        for box in tree.xpath("//*[@data-samp-item]")
    }
    assert kinds == {
        "counts.fits": "image.load.fits",
        "flux.vot": "table.load.votable",
        "events.fits": "table.load.fits",
        "pha_obs23523.fits": "spectrum.load.ssa-generic table.load.fits",
    }


def test_a_result_that_cannot_be_read_does_not_break_the_page(client, mine):
    job = mine()
    add_result(job, "spectrum.json", b'{"points": 3}', "application/json", preview="spectrum")
    lost = add_result(job, "table.fits", b"x", "application/fits", preview="table")
    lost.path.unlink()
    text = page(client.get(job.page_url)).text_content()
    assert "No preview" in text
    assert "no longer there" in text


@pytest.mark.parametrize("name", ["counts.fits", "spectrum.json", "lightcurve.json", "flux.vot", "fit.txt"])
def test_each_result_has_a_page_of_its_own(client, name):
    job = full_job(client.session.session_key)
    tree = page(client.get(f"/view/{job.id}/{name}/"))
    assert tree.xpath(f"//a[@download='{name}']/@href") == [f"{job.uws_url}/results/{name}"]


def test_a_result_that_is_not_there_is_404(client, mine):
    response = client.get(f"/view/{mine().id}/none/")
    assert response.status_code == 404
    assert b"has no result" in response.content


def test_results_of_an_archived_job_are_gone(client, mine):
    job = mine(Phase.ARCHIVED)
    assert client.get(f"/view/{job.id}/spectrum.json/").status_code == 410
    assert "results are gone" in page(client.get(job.page_url)).text_content()


def test_a_tap_job_has_a_page_too(client, mine):
    job = mine(
        tool_name="tap",
        tool_version="1.1",
        parameters={"QUERY": "SELECT TOP 1 * FROM ivoa.obscore", "LANG": "ADQL"},
    )
    tree = page(client.get(job.page_url))
    assert tree.findtext(".//h1").strip() == "TAP query"
    assert "SELECT TOP 1" in tree.text_content()
    assert page(client.get("/jobs/")).xpath("//tbody//a/text()") == ["TAP query"]


def test_text_from_tools_cannot_inject_markup(client, mine):
    job = mine(Phase.EXECUTING, stage="<script>alert(1)</script>", run_id="<b>x</b>")
    write_log(job, "</pre><script>alert(2)</script>")
    data = spectrum_data(attribution="</script><script>alert(3)</script>")
    add_result(
        job, "s.json", json.dumps(data).encode(), "application/json", preview="spectrum", label="<i>l</i>"
    )
    tree = page(client.get(job.page_url))
    assert not [
        s for s in tree.xpath("//script") if "alert" in (s.text or "") and s.get("type") != "application/json"
    ]
    assert not tree.xpath("//h1//b | //h2//i")
