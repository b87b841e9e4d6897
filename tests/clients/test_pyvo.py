"""pyvo against the served gateway; the figures are those of CLIENTS and of the published analyses."""

from __future__ import annotations

from pathlib import Path

import pytest
import pyvo
import requests

from tests.support.live import Gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]

CRAB = ("23523", "23526", "23559", "23592")


@pytest.fixture
def real(archive_folder: Path) -> None:
    if "hess" not in archive_folder.name:
        pytest.skip("the H.E.S.S. observations are not there")


@pytest.fixture
def service(live_gateway: Gateway) -> pyvo.dal.TAPService:
    return pyvo.dal.TAPService(f"{live_gateway.url}/tap")


def run_spectrum(gateway: Gateway, obs_ids: list[str], **parameters: str) -> dict:
    request = [("observations", f"ivo://vogate.demo/hess-dl3-dr1?{obs_id}") for obs_id in obs_ids]
    request += [*parameters.items(), ("ogip", "none"), ("PHASE", "RUN")]
    session = requests.Session()
    answer = session.post(f"{gateway.url}/uws/spectrum/async", data=request, timeout=60)
    answer.raise_for_status()
    job = pyvo.dal.AsyncTAPJob(answer.url, session=session)
    job.wait(timeout=600)
    job.raise_if_error()
    return session.get(f"{answer.url}/results/spectrum", timeout=60).json()


def fitted(spectrum: dict, name: str) -> tuple[float, float]:
    parameter = next(p for p in spectrum["model"]["parameters"] if p["name"] == name)
    return parameter["value"], parameter["error"]


@pytest.mark.real_data
def test_the_archive_holds_105_observations(service: pyvo.dal.TAPService, real: None):
    assert service.search("SELECT COUNT(*) AS n FROM ivoa.obscore")["n"][0] == 105


@pytest.mark.real_data
def test_a_position_is_found_in_21_regions(service: pyvo.dal.TAPService, real: None):
    where = "1 = INTERSECTS(s_region, CIRCLE('ICRS', 329.717, -30.226, 0.001))"
    rows = service.search(f"SELECT * FROM ivoa.obscore WHERE {where}")
    assert len(rows) == 21
    assert set(rows["target_name"]) == {"PKS 2155-304"}


def test_synchronous_and_asynchronous_results_are_equal(service: pyvo.dal.TAPService):
    query = "SELECT * FROM ivoa.obscore ORDER BY obs_id"
    now, later = service.run_sync(query).votable, service.run_async(query).votable
    first, second = now.get_first_table(), later.get_first_table()
    assert [(f.name, f.datatype, f.arraysize) for f in first.fields] == [
        (f.name, f.datatype, f.arraysize) for f in second.fields
    ]
    assert first.array.tolist() == second.array.tolist()


@pytest.mark.real_data
def test_the_spectrum_of_the_crab_nebula(live_gateway: Gateway, real: None):
    spectrum = run_spectrum(live_gateway, list(CRAB), ra="83.633", dec="22.014")
    index, index_error = fitted(spectrum, "index")
    amplitude, amplitude_error = fitted(spectrum, "amplitude")
    assert index == pytest.approx(2.63, abs=0.01)
    assert index_error == pytest.approx(0.06, abs=0.01)
    assert amplitude == pytest.approx(4.26e-11, abs=0.05e-11)
    assert amplitude_error == pytest.approx(0.22e-11, abs=0.02e-11)
    assert spectrum["fit"]["dof"] == 72


@pytest.mark.real_data
def test_the_spectrum_of_pks_2155_in_its_steady_state(
    live_gateway: Gateway, service: pyvo.dal.TAPService, real: None
):
    # The release's six steady runs are those of 2008; the flare was in July 2006 (MJD 53944 to 53946).
    rows = service.search(
        "SELECT obs_id FROM ivoa.obscore WHERE target_name = 'PKS 2155-304' AND t_min > 54000"
    )
    obs_ids = [str(value) for value in rows["obs_id"]]
    assert len(obs_ids) == 6
    spectrum = run_spectrum(live_gateway, obs_ids, ra="329.717", dec="-30.226")
    index, error = fitted(spectrum, "index")
    assert index == pytest.approx(3.37, abs=0.02)
    assert error == pytest.approx(0.18, abs=0.02)
