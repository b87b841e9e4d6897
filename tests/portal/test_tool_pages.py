"""The tool list and the tool form: defaults, inputs, faults at their fields, jobs, scripts."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from lxml import html

from tests.portal.job_builders import did, make_job
from tests.portal.job_fixtures import archive, tools, visitor  # noqa: F401
from uws.models import Job

pytestmark = pytest.mark.usefixtures("tools", "archive", "visitor")
FORM = "/tools/spectrum/"


def page(response):
    assert response.status_code == 200, response.content[:500]
    return html.fromstring(response.content.decode())


def field(tree, name):
    (found,) = tree.xpath(f"//*[@id='p-{name}']")
    return found


def values(**changes):
    return {"obs": [did(1), did(2)], "ra": "83.6", "dec": "22.0", "action": "run", **changes}


def test_tools_are_listed_by_category_with_the_reason_why_one_is_not_available(client):
    tree = page(client.get("/tools/"))
    assert [h.text for h in tree.xpath("//main//h2")] == ["Gamma-ray astronomy", "Tests"]
    (card,) = tree.xpath("//li[.//a='Unavailable tool']")
    assert "no-such-program-anywhere" in card.text_content()


def test_the_selection_goes_with_the_link_to_a_tool(client):
    tree = page(client.get("/tools/", {"obs": [did(1), did(2)]}))
    (link,) = tree.xpath("//a[.='Spectrum']/@href")
    assert parse_qs(urlsplit(link).query)["obs"] == [did(1), did(2)]


def test_a_form_from_before_a_sign_in_elsewhere_says_what_to_do():
    response = Client(enforce_csrf_checks=True).post(FORM, values())
    assert response.status_code == 403
    assert b"load the page again" in response.content
    assert b"Search the archive" in response.content


def test_files_of_the_user_are_inputs(client, settings, tmp_path):
    settings.VOGATE_JOBS = tmp_path / "jobs"
    files = [SimpleUploadedFile("mine.fits", b"SIMPLE  ="), SimpleUploadedFile("other.fits", b"SIMPLE  = 2")]
    response = client.post(FORM, values(obs=did(1), **{"file-obs": files}))
    assert response.status_code == 303, response.content
    inputs = Job.objects.get().inputs.all()
    assert [one.title for one in inputs] == ["test 1", "mine.fits", "other.fits"]
    assert inputs[1].path.endswith("mine.fits")
    scripts = {one.get("id"): one.text for one in page(client.get(response["Location"])).xpath("//pre[@id]")}
    assert "--file obs=mine.fits" in scripts["script-vogate"]
    assert "-F 'obs=@\"mine.fits\"'" in scripts["script-curl"]
    assert "--data-urlencode" not in scripts["script-curl"]
    assert "], files=[\n    ('obs', open('mine.fits', 'rb'))," in scripts["script-pyvo"]
    assert not any("param:" in text for text in scripts.values())
    again = page(client.get(FORM, {"from": Job.objects.get().pk}))
    assert [a.text for a in again.xpath("//ul[@class='vg-inputs']//a")] == ["test 1"]
    assert "Choose the file again" in again.get_element_by_id("help-file-obs").text_content()


def test_a_file_alone_is_enough_and_is_asked_for_again_with_what_is_wrong(client, settings, tmp_path):
    settings.VOGATE_JOBS = tmp_path / "jobs"
    wrong = values(obs=[], ra="north", **{"file-obs": SimpleUploadedFile("mine.fits", b"SIMPLE  =")})
    tree = page(client.post(FORM, wrong))
    assert len(tree.xpath("//div[@id='faults']//li")) == 1
    assert "Choose the file again" in tree.get_element_by_id("help-file-obs").text_content()
    right = values(obs=[], **{"file-obs": SimpleUploadedFile("mine.fits", b"SIMPLE  =")})
    assert client.post(FORM, right).status_code == 303


def test_the_reference_of_a_tool_is_a_link_to_it(client):
    (link,) = page(client.get(FORM)).xpath("//p[starts-with(., 'Reference')]/a")
    assert link.get("href") == link.text == "https://example.org/spectrum"


def test_an_unknown_tool_is_a_clear_404(client):
    response = client.get("/tools/spectrun/")
    assert response.status_code == 404
    assert b"Did you mean spectrum?" in response.content


def test_defaults_come_from_the_selected_observations(client):
    tree = page(client.get(FORM, {"obs": [did(1), did(2)]}))
    assert (field(tree, "ra").get("value"), field(tree, "dec").get("value")) == ("83.6", "22")
    assert [a.text for a in tree.xpath("//ul[@class='vg-inputs']//a")] == ["test 1", "test 2"]


def test_every_field_has_a_label_and_its_unit_beside_it(client):
    tree = page(client.get(FORM))
    for node in tree.xpath("//form[@id='tool-form']//*[self::input or self::select][@id]"):
        assert tree.xpath(f"//label[@for='{node.get('id')}']"), node.get("id")
    assert field(tree, "ra").getnext().text == "deg"
    assert tree.xpath("//details//input[@id='p-bins']")


def test_a_field_that_applies_to_one_model_says_so_without_scripts(client):
    tree = page(client.get(FORM))
    assert "Used while model is lp." in tree.get_element_by_id("help-beta").text_content()


def test_adding_and_removing_inputs_keeps_what_was_typed_in_the_address(client):
    response = client.post(FORM, values(action="add obs", radius="0.2", **{"add-obs": f"{did(3)} {did(1)}"}))
    assert response.status_code == 303
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query["obs"] == [did(1), did(2), did(3)]
    assert query["radius"] == ["0.2"]
    assert "ra" not in query, "what came from the inputs follows the inputs"
    response = client.post(FORM, values(action=f"remove obs {did(1)}"))
    assert parse_qs(urlsplit(response["Location"]).query)["obs"] == [did(2)]


def test_running_makes_a_job_of_this_session_and_leads_to_its_page(client):
    response = client.post(FORM, values(run_id="my run", duration="60"))
    assert response.status_code == 303
    job = Job.objects.get()
    assert response["Location"] == job.page_url
    assert (job.run_id, job.phase, job.execution_duration, job.rights) == ("my run", "QUEUED", 60, "session")
    assert job.parameters["ra"] == 83.6
    assert [one.identifier for one in job.inputs.all()] == [did(1), did(2)]
    assert client.get(job.page_url).status_code == 200


def test_a_visitor_without_a_session_gets_one_with_the_first_job(client):
    client.cookies.clear()
    response = client.post(FORM, values())
    assert client.get(response["Location"]).status_code == 200
    assert Job.objects.get().rights == "session"


def test_units_are_converted_when_typed(client):
    client.post(FORM, values(energy_min="700 GeV"))
    assert Job.objects.get().parameters["energy_min"] == 0.7


def test_all_faults_are_shown_at_their_fields_and_nothing_typed_is_lost(client):
    tree = page(client.post(FORM, values(obs=[], ra="north", radius="7", model="lp", beta="0.3")))
    assert not Job.objects.exists()
    for name, text, typed in (("ra", "must be a number", "north"), ("radius", "at most 1 deg", "7")):
        node = field(tree, name)
        assert node.get("value") == typed
        assert node.get("aria-invalid") == "true"
        assert text in tree.get_element_by_id(f"error-{name}").text_content()
        assert f"error-{name}" in node.get("aria-describedby")
    assert "at least 1 needed" in tree.get_element_by_id("error-obs").text_content()
    assert field(tree, "beta").get("value") == "0.3"
    assert len(tree.xpath("//*[@id='faults']//li")) == 3


def test_an_observation_that_is_not_there_is_named_at_the_inputs(client):
    tree = page(client.post(FORM, values(obs=[did(1), "ivo://vogate.demo/test?999"])))
    assert "neither an observation" in tree.get_element_by_id("role-obs").text_content()
    assert not Job.objects.exists()


def test_too_many_inputs_name_the_limit(client, settings):
    most = settings.SITE.anonymous.inputs
    tree = page(client.post(FORM, values(obs=[did(i) for i in range(1, most + 2)])))
    assert f"at most {most} allowed" in tree.get_element_by_id("faults").text_content()


def test_too_many_active_jobs_keep_the_form(client, settings):
    for _ in range(settings.SITE.anonymous.active_jobs):
        assert client.post(FORM, values()).status_code == 303
    tree = page(client.post(FORM, values(radius="0.3")))
    assert "is the limit" in tree.get_element_by_id("faults").text_content()
    assert field(tree, "radius").get("value") == "0.3"


def test_a_tool_that_is_not_available_says_why_and_cannot_be_run(client):
    tree = page(client.get("/tools/gone/"))
    assert "not on the PATH" in tree.text_content()
    assert all(button.get("disabled") is not None for button in tree.xpath("//button[@value='run']"))


def test_run_again_fills_the_form_from_the_earlier_job(client):
    job = make_job(client.session.session_key)
    tree = page(client.get(FORM, {"from": job.id}))
    assert field(tree, "ra").get("value") == "83.633"
    assert tree.xpath("//input[@name='model'][@checked]/@value") == ["lp"]
    assert field(tree, "beta").get("value") == "0.2"
    assert len(tree.xpath("//input[@type='hidden'][@name='obs']")) == 2


def test_the_job_of_somebody_else_fills_no_form(client):
    assert client.get(FORM, {"from": make_job("another session").id}).status_code == 403


def test_scripts_follow_what_is_typed(client):
    response = client.post(
        FORM, values(action="script", radius="0.25"), headers={"Accept": "application/json"}
    )
    texts = {
        node.get("id"): node.text
        for node in html.fromstring(json.loads(response.content)["html"]).xpath("//pre")
    }
    assert set(texts) == {"script-pyvo", "script-curl", "script-vogate"}
    for text in texts.values():
        assert "0.25" in text
        assert did(2) in text
        assert "energy_min" not in text, "defaults are left out"
