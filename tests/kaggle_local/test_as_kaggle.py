"""The conformance table: what Kaggle does, seen through the unmodified official client.

A row names the call, Kaggle's answer, where that is known from, and whether it is known or assumed. "Reported live"
is a person's report of a call to kaggle.com; a client's function is that of kaggle 2.2.5 or kagglesdk 0.1.38.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import SubmissionError
from kaggle_local.faults import Fault
from kaggle_local.local_kaggle import USERNAME, LocalKaggle
from kaggle_local.runs.execution import Outcome
from kaggle_local.runs.served import Served, check_result
from kaggle_local.server import serve

from tests.end_to_end.fault_matrix import cases
from tests.kaggle_local.kernels import (
    ask,
    finished,
    notebook,
    printed,
    published,
    run_script,
    scored,
    settings_of,
    uploaded,
    write_competition_of_files,
    write_kernel,
)

REF = f"{USERNAME}/my-kernel"
DATA = f"{USERNAME}/my-data"

LIVE = "reported live"
LABELS = "Kaggle/kaggle-cli pull request 1201, KaggleApi._kernel_version_label"
ERRORS = "Kaggle's page on errors of code competitions"
NOTEBOOKS = "Kaggle/docker-python, Dockerfile.tmpl"
# Nobody has reported it.
UNKNOWN = "unknown"

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    call: str
    answer: str
    source: str
    assumed: bool


ROWS: list[Row] = []


def row(call: str, answer: str, source: str, *, assumed: bool = False) -> Callable[[Test], Test]:
    """Enter a test into the table; one that stands for several answers has several rows."""

    def enter(test: Test) -> Test:
        ROWS.append(Row(call, answer, source, assumed))
        return test

    return enter


# The calls that push and submit make, and the run of a kernel; the fault matrix makes no others.
CALLS = {
    "IntrospectToken",
    "GetCompetition",
    "GetSubmissionLimits",
    "GetAcceleratorQuotaStatistics",
    "GetDataset",
    "GetDatasetStatus",
    "ListDatasetFiles",
    "StartBlobUpload",
    "upload",
    "CreateDataset",
    "CreateDatasetVersion",
    "GetKernel",
    "SaveKernel",
    "GetKernelSessionStatus",
    "log",
    "ListKernelSessionOutput",
    "download",
    "DownloadDataFile",
    "ListSubmissions",
    "CreateCodeSubmission",
    "GetSubmission",
    "run",
}


def test_every_call_of_push_and_submit_has_rows() -> None:
    assert {row.call for row in ROWS} >= CALLS
    assert {case.place.rpartition("/")[2] for case in cases()} - {"processing", "output"} == CALLS
    assert all(row.assumed == (row.source == UNKNOWN) for row in ROWS)


def test_the_page_lists_what_is_assumed() -> None:
    """Write the rows into docs/rehearsal.md as this test expects them."""
    page = (Path(__file__).parents[2] / "docs" / "rehearsal.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    assert listed == [(row.call, row.answer) for row in ROWS if row.assumed]


@contextmanager
def behaving(storage: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[tuple[LocalKaggle, Any]]:
    """A Kaggle with settings, and the official client at it."""
    from kagglesdk import kaggle_env

    with serve(storage, behaviour=Behaviour(**settings)) as local:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, local.url)
        for name, value in {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "KAGGLE_API_TOKEN": local.token}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        from kaggle.api.kaggle_api_extended import KaggleApi

        api = KaggleApi()
        api.args = ["--local"]
        api.authenticate()
        yield local, api


# Longer than any test takes.
LATE = {"fresh_seconds": 3600, "listing_seconds": 3600}


def status_of(call: Callable[..., Any], *arguments: Any, **options: Any) -> int:
    """The HTTP status of a call that the client reports as an error; 200 where it reports none."""
    try:
        call(*arguments, **options)
    except requests.HTTPError as error:
        return error.response.status_code
    return 200


def get_kernel(api: Any, slug: str, label: str = "") -> Any:
    from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

    request = ApiGetKernelRequest()
    request.user_name, request.kernel_slug, request.version_label = USERNAME, slug, label
    with api.build_kaggle_client() as client:
        return client.kernels.kernels_api_client.get_kernel(request)


def get_submission(api: Any, ref: int) -> Any:
    return api.get_submission(ref)


def limits(api: Any, competition: str) -> Any:
    return api.competition_get_submission_limits(competition)


def get_competition(api: Any, name: str) -> Any:
    from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

    request = ApiGetCompetitionRequest()
    request.competition_name = name
    with api.build_kaggle_client() as client:
        return client.competitions.competition_api_client.get_competition(request)


def get_dataset(api: Any) -> Any:
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = USERNAME, "my-data"
    with api.build_kaggle_client() as client:
        return client.datasets.dataset_api_client.get_dataset(request)


def list_files(api: Any, version: int = 0) -> Any:
    return api.dataset_list_files(f"{DATA}/{version}" if version else DATA)


def write_dataset(folder: Path, **files: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    metadata = {"id": DATA, "title": "My data", "licenses": [{"name": "CC0-1.0"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    return str(folder)


def script(folder: Path, source: str = "pass", **metadata: Any) -> str:
    """A folder that the client pushes a script from."""
    return str(write_kernel(folder, source, **{"kernel_type": "script", **metadata}))


def set_competition(folder: Path, *lines: str) -> None:
    path = folder / "competition.toml"
    path.write_text("\n".join([path.read_text(), *lines]) + "\n")


# Errors, whatever the call


@row("GetKernel", 'an error is {"error": {"code", "message", "status"}}, which the client does not show', LIVE)
def test_errors_have_kaggles_shape(local_kaggle: LocalKaggle, kaggle_api: Any) -> None:
    answer = ask(local_kaggle, "kernels.KernelsApiService/GetKernel", userName=USERNAME, kernelSlug="nowhere")
    assert answer.json() == {
        "error": {"code": 404, "message": f"Kernel not found: {USERNAME}/nowhere", "status": "NOT_FOUND"}
    }
    with pytest.raises(requests.HTTPError, match="404 Client Error") as failure:
        get_kernel(kaggle_api, "nowhere")
    assert "Kernel not found" not in str(failure.value)


# Credentials


@row("IntrospectToken", "names the user of a token", "KaggleApi._introspect_token")
@row("IntrospectToken", "a token that is not known is answered 200, inactive", "KaggleApi._introspect_token")
def test_tokens_are_introspected(local_kaggle: LocalKaggle) -> None:
    method = "security.OAuthService/IntrospectToken"
    assert ask(local_kaggle, method, token=local_kaggle.token).json()["username"] == USERNAME
    unknown = ask(local_kaggle, method, token="KGAT_unknown")
    assert unknown.ok
    assert not unknown.json().get("active")


@row("GetKernel", "a call with a token that is not known is answered 401", "Kaggle/kaggle-cli issue 831")
def test_a_call_needs_a_token(local_kaggle: LocalKaggle) -> None:
    url = f"{local_kaggle.url}/api/v1/kernels.KernelsApiService/GetKernel"
    headers = {"Authorization": "Bearer KGAT_unknown"}
    assert requests.post(url, json={}, headers=headers, timeout=10).status_code == 401


# Competitions


@row("GetCompetition", "tells whether the user has entered, and whether kernels alone are taken", "ApiCompetition")
@row("GetCompetition", "an unknown competition is answered 404", UNKNOWN, assumed=True)
@row("ListSubmissions", "an unknown competition is answered 403", "Kaggle/kaggle-cli issue 488")
@row("CreateCodeSubmission", "an unknown competition is answered 403", "Kaggle/kaggle-cli issue 530")
@row("DownloadDataFile", "403 as long as the rules are not accepted", "Kaggle/kaggle-cli issue 152")
@row("GetSubmissionLimits", "403 as long as the rules are not accepted", UNKNOWN, assumed=True)
@row("ListSubmissions", "403 as long as the rules are not accepted", UNKNOWN, assumed=True)
@row("CreateCodeSubmission", "403 as long as the rules are not accepted", "Kaggle/kaggle-cli issue 177")
def test_the_rules_come_first(local_kaggle: LocalKaggle, kaggle_api: Any, competition: Path, tmp_path: Path) -> None:
    set_competition(competition, "entered = false")
    local_kaggle.host(competition)
    described = get_competition(kaggle_api, "leaves")
    assert (described.user_has_entered, described.is_kernels_submissions_only) == (False, True)
    assert status_of(get_competition, kaggle_api, "nowhere") == 404
    name = "sample_submission.csv"
    assert status_of(kaggle_api.competition_download_file, "leaves", name, path=tmp_path) == 403
    assert status_of(limits, kaggle_api, "leaves") == 403
    assert status_of(kaggle_api.competition_submissions, "leaves") == 403
    assert status_of(kaggle_api.competition_submit_code, name, "", "leaves", REF, 1, quiet=True) == 403
    assert status_of(kaggle_api.competition_submissions, "nowhere") == 403
    assert status_of(kaggle_api.competition_submit_code, name, "", "nowhere", REF, 1, quiet=True) == 403


@row("SaveKernel", "a competition that was not entered is an invalid source", UNKNOWN, assumed=True)
def test_a_kernel_does_not_see_a_competition_that_was_not_entered(
    local_kaggle: LocalKaggle, kaggle_api: Any, competition: Path, tmp_path: Path
) -> None:
    set_competition(competition, "entered = false")
    local_kaggle.host(competition)
    answer = kaggle_api.kernels_push(script(tmp_path / "kernel", competition_sources=["leaves"]))
    assert answer.invalid_competition_sources == ["leaves"]


@row("GetCompetition", "tells whether submissions are disabled", "ApiCompetition")
@row("CreateCodeSubmission", "403 when submissions are disabled", UNKNOWN, assumed=True)
def test_a_closed_competition(local_kaggle: LocalKaggle, kaggle_api: Any, competition: Path) -> None:
    set_competition(competition, "closed = true")
    local_kaggle.host(competition)
    assert get_competition(kaggle_api, "leaves").submissions_disabled
    assert status_of(kaggle_api.competition_submit_code, "x", "", "leaves", REF, 1, quiet=True) == 403
    assert status_of(limits, kaggle_api, "leaves") == 200


@row("DownloadDataFile", "a file that is not there is answered 404", UNKNOWN, assumed=True)
def test_a_missing_data_file(local_kaggle: LocalKaggle, kaggle_api: Any, competition: Path, tmp_path: Path) -> None:
    local_kaggle.host(competition)
    assert status_of(kaggle_api.competition_download_file, "leaves", "no.csv", path=tmp_path) == 404


SUBMISSION = "image,labels\\na,scab\\nb,scab\\n"
HANDED_IN = f"open('submission.csv', 'w').write('{SUBMISSION}')"


def submit(api: Any, description: str = "", version: int = 1) -> Any:
    return api.competition_submit_code("submission.csv", description, "leaves", REF, version, quiet=True)


@row("CreateCodeSubmission", "returns the reference of the submission", "KaggleApi.competition_submit_cli")
@row("GetSubmission", "one submission, by its reference", "KaggleApi.get_submission")
@row("ListSubmissions", "newest first, failed ones included; dates are in UTC", LIVE)
@row("ListSubmissions", "a description of 120 characters comes back whole", LIVE)
@row("GetSubmissionLimits", "the total counts valid submissions alone", LIVE)
@row("GetSubmission", "a failed code submission tells its class alone", LIVE)
def test_submissions(local_kaggle: LocalKaggle, kaggle_api: Any, competition: Path) -> None:
    local_kaggle.host(competition)
    run_script(local_kaggle, HANDED_IN, competitions=["leaves"])
    run_script(local_kaggle, HANDED_IN.replace("a,scab\\nb,scab", "x,scab\\ny,scab\\nz,scab"), competitions=["leaves"])
    failing, passing = submit(kaggle_api, "first").ref, submit(kaggle_api, "x" * 120, version=2).ref
    assert scored(local_kaggle, failing).status == "error", "it hands in the public ids on the hidden test set, too"
    assert scored(local_kaggle, passing).status == "complete"
    listed = kaggle_api.competition_submissions("leaves")
    assert [submission.ref for submission in listed] == [passing, failing]
    assert listed[0].description == "x" * 120
    assert abs((datetime.now(UTC).replace(tzinfo=None) - listed[0].date).total_seconds()) < 60
    one = get_submission(kaggle_api, failing)
    assert (one.ref, one.status.name, one.error_description) == (failing, "ERROR", "Submission Scoring Error")
    counted = limits(kaggle_api, "leaves")
    assert (counted.num_total, counted.num_today, counted.num_allowed_now) == (1, 2, 3)


@row("CreateCodeSubmission", "400 for a version that did not write the file", UNKNOWN, assumed=True)
@row("CreateCodeSubmission", "404 for a version that is not there", "KaggleApi.competition_submit_cli")
def test_submissions_that_are_refused(local_kaggle: LocalKaggle, kaggle_api: Any, competition: Path) -> None:
    local_kaggle.host(competition)
    run_script(local_kaggle, "pass", competitions=["leaves"])
    assert status_of(submit, kaggle_api) == 400
    assert status_of(submit, kaggle_api, version=2) == 404


@row("GetSubmission", "a new submission can answer 404 for a moment", "KaggleApi._poll_submission")
@row("ListSubmissions", "a listing can lack what was just made", LIVE)
def test_a_new_submission_shows_late(storage: Path, monkeypatch: pytest.MonkeyPatch, competition: Path) -> None:
    with behaving(storage, monkeypatch) as (local, api):
        local.host(competition)
        run_script(local, HANDED_IN, competitions=["leaves"])
        ref = submit(api).ref
    with behaving(storage, monkeypatch, **LATE) as (_, api):
        assert status_of(get_submission, api, ref) == 404
        assert api.competition_submissions("leaves") == []
    with behaving(storage, monkeypatch) as (_, api):
        assert get_submission(api, ref).ref == ref
        assert [submission.ref for submission in api.competition_submissions("leaves")] == [ref]


# Datasets


@row("StartBlobUpload", "answers a token, and the address to put the file to", "KaggleApi._upload_blob")
@row("upload", "308 with the range that has arrived; bytes */N asks; 200 when it is whole", "KaggleApi.upload_complete")
@row("CreateDataset", "a dataset of what was uploaded; its first version is listed with notes of Kaggle's", LIVE)
@row("GetDataset", "lists the versions with their notes", LIVE)
@row("GetDatasetStatus", "ready once the version has been processed", "KaggleApi.dataset_status")
def test_a_dataset_is_made_of_uploads(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    method = "blobs.BlobApiService/StartBlobUpload"
    started = ask(local_kaggle, method, type="DATASET", name="a.txt", contentLength=4).json()
    first = requests.put(started["createUrl"], data=b"ab", headers={"Content-Range": "bytes 0-1/4"}, timeout=10)
    assert (first.status_code, first.headers["Range"]) == (308, "bytes=0-1")
    asked = requests.put(started["createUrl"], headers={"Content-Range": "bytes */4"}, timeout=10)
    assert (asked.status_code, asked.headers["Range"]) == (308, "bytes=0-1")
    rest = requests.put(started["createUrl"], data=b"cd", headers={"Content-Range": "bytes 2-3/4"}, timeout=10)
    assert rest.status_code == 200
    kaggle_api.dataset_create_new(write_dataset(tmp_path / "data", a_txt="a"), quiet=True)
    while kaggle_api.dataset_status(DATA) != "ready":
        time.sleep(0.01)
    kaggle_api.dataset_create_version(write_dataset(tmp_path / "data", b_txt="b"), "sha256:" + "0" * 64, quiet=True)
    while kaggle_api.dataset_status(DATA) != "ready":
        time.sleep(0.01)
    versions = get_dataset(kaggle_api).versions
    assert [(v.version_number, v.version_notes) for v in versions] == [
        (2, "sha256:" + "0" * 64),
        (1, "Initial release"),
    ]
    assert {file.name for file in list_files(kaggle_api).files} == {"a.txt", "b.txt"}


@row("StartBlobUpload", "400 for a name with @ or &", LIVE)
def test_names_that_are_refused(local_kaggle: LocalKaggle) -> None:
    for name, status in (("a@b", 400), ("a&b", 400), ("torch-2.10.0+cpu.whl", 200), ("1!2.whl", 200)):
        answer = ask(local_kaggle, "blobs.BlobApiService/StartBlobUpload", name=name, contentLength=1)
        assert answer.status_code == status, name


@row("upload", "404 for a link that is not known any more", "KaggleApi.upload_complete")
def test_an_expired_link(local_kaggle: LocalKaggle) -> None:
    assert requests.put(f"{local_kaggle.url}/uploads/gone", data=b"x", timeout=10).status_code == 404


@row(
    "CreateDataset",
    'a title that is taken is an error in a 200: "… is already in use by a dataset"',
    "kaggle-cli issue 243",
)
@row("CreateDataset", "a kernel's slug is taken for datasets, too: 409", UNKNOWN, assumed=True)
@row("SaveKernel", "a dataset's slug is taken for kernels, too: 409", UNKNOWN, assumed=True)
def test_names_are_shared(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    published(local_kaggle, {"a.txt": b"1"})
    create = "datasets.DatasetApiService/CreateDataset"
    files = [{"token": uploaded(local_kaggle, "a.txt", b"1")}]
    # The client asks for the status first, and has words of its own for a slug that is taken.
    again = ask(local_kaggle, create, ownerSlug=USERNAME, slug="new-data", title="My data", files=files)
    assert again.ok
    assert again.json()["error"].startswith('The requested title "My data" is already in use by a dataset.')
    push = script(tmp_path / "kernel", id=DATA, title="My data")
    assert status_of(kaggle_api.kernels_push, push) == 409
    run_script(local_kaggle, "pass", slug="our-data")
    names = {"ownerSlug": USERNAME, "slug": "our-data", "title": "Our data"}
    assert ask(local_kaggle, create, **names, files=files).status_code == 409


@row("CreateDatasetVersion", "403 while the first version is in processing", LIVE)
@row("GetDatasetStatus", "tells of the latest version, which need not be the one in use", "KaggleApi.dataset_status")
def test_a_second_version_waits_for_the_first(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    local_kaggle.faults.add(Fault(on="processing", outcome="stuck"))
    kaggle_api.dataset_create_new(write_dataset(tmp_path / "data", a_txt="a"), quiet=True)
    assert kaggle_api.dataset_status(DATA) == "blobs_received"
    assert status_of(kaggle_api.dataset_create_version, str(tmp_path / "data"), "", quiet=True) == 403


@row("GetDataset", "a new dataset can answer 403 to its owner for a moment", LIVE)
@row("ListDatasetFiles", "a listing of a new dataset can answer 403 for a moment", LIVE)
def test_a_new_dataset_shows_late(storage: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with behaving(storage, monkeypatch, **LATE) as (_, api):
        api.dataset_create_new(write_dataset(tmp_path / "data", a_txt="a"), quiet=True)
        assert status_of(get_dataset, api) == 403
        assert status_of(list_files, api) == 403
    with behaving(storage, monkeypatch) as (_, api):
        assert get_dataset(api).current_version_number == 1


@row("GetDataset", "a new version can be missing from the list of versions for a moment", LIVE)
@row("ListDatasetFiles", "a listing with an error_message is not an empty listing", "ApiListDatasetFilesResponse")
def test_a_new_version_is_listed_late(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch) as (local, _):
        published(local, {"a.txt": b"1"})
        published(local, {"b.txt": b"2"})
    with behaving(storage, monkeypatch, listing_seconds=3600) as (_, api):
        assert not get_dataset(api).versions
        assert list_files(api, 2).error_message
    with behaving(storage, monkeypatch) as (_, api):
        assert [version.version_number for version in get_dataset(api).versions] == [2, 1]
        assert [file.name for file in list_files(api, 2).files] == ["b.txt"]


@row("GetDataset", "notes may come back shortened, which nobody has reported", UNKNOWN, assumed=True)
def test_notes_can_be_shortened(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch, notes_characters=4) as (local, api):
        published(local, {"a.txt": b"1"})
        resource = local.storage.resources.get("dataset", DATA)
        assert resource is not None
        content = [("a.txt", uploaded(local, "a.txt", b"2"))]
        local.worker.process(local.storage.resources.add_version(resource, "a long note", content))
        assert get_dataset(api).versions[0].version_notes == "a lo"


@row("ListDatasetFiles", "an archive in a version is listed as the files in it", LIVE)
@row("ListDatasetFiles", "wheels and checkpoints are kept byte for byte", LIVE)
def test_archives_are_unpacked(local_kaggle: LocalKaggle, kaggle_api: Any) -> None:
    from tests.kaggle_local.storage.test_archives import zipped

    published(local_kaggle, {"a.zip": zipped(**{"b.txt": b"1"}), "c.whl": zipped(**{"d.py": b"1"}), "e.pt": b"1"})
    assert [file.name for file in list_files(kaggle_api).files] == ["a/b.txt", "c.whl", "e.pt"]


# Kernels


@row("GetKernel", "a version is written v3; a bare number is answered 404, one in the slug 403", LABELS)
@row("GetKernelSessionStatus", "a version is written v3; a bare number is answered 404, one in the slug 403", LABELS)
@row("ListKernelSessionOutput", "a version is written v3; a bare number is answered 404", LABELS)
def test_versions_are_labels(local_kaggle: LocalKaggle, kaggle_api: Any) -> None:
    run_script(local_kaggle, "print('one')")
    run_script(local_kaggle, "raise SystemExit(1)")
    assert "one" in get_kernel(kaggle_api, "my-kernel", "v1").blob.source
    assert kaggle_api.kernels_status(f"{REF}/1").status.name == "COMPLETE"
    assert kaggle_api.kernels_status(REF).status.name == "ERROR"
    service = "kernels.KernelsApiService"
    for method in ("GetKernel", "GetKernelSessionStatus", "ListKernelSessionOutput", "ListKernelFiles"):
        for slug, label, status in (
            ("my-kernel", "v2", 200),
            ("my-kernel", "v3", 404),
            ("my-kernel", "1", 404),
            ("my-kernel/1", "", 403),
        ):
            body = {"userName": USERNAME, "kernelSlug": slug, "versionLabel": label}
            assert ask(local_kaggle, f"{service}/{method}", **body).status_code == status, (method, slug, label)


@row("log", "the stream takes versionLabel=v3; a version in the path is answered 404", LABELS)
@row("log", "a JSON array of stream_name, time and data", "KaggleApi.kernels_logs_stream")
def test_the_log_is_that_of_the_version(local_kaggle: LocalKaggle, kaggle_api: Any) -> None:
    run_script(local_kaggle, "print('one')")
    run_script(local_kaggle, "print('two')")
    events = list(kaggle_api.kernels_logs_stream(f"{REF}/1"))
    assert [event["data"] for event in events] == ["one\n"]
    assert set(events[0]) == {"stream_name", "time", "data"}
    url = f"{local_kaggle.url}/api/v1/kernels/logs/stream/{REF}"
    headers = {"Authorization": f"Bearer {local_kaggle.token}"}
    assert requests.get(f"{url}/1", headers=headers, timeout=10).status_code == 404
    assert requests.get(f"{url}?versionLabel=1", headers=headers, timeout=10).status_code == 404


@row("GetKernelSessionStatus", "a new version answers 404 for a moment", LIVE)
@row("GetKernel", "a new kernel answers 404 for a moment", LIVE)
def test_a_new_kernel_shows_late(storage: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with behaving(storage, monkeypatch, **LATE) as (local, api):
        assert api.kernels_push(script(tmp_path / "kernel")).version_number == 1
        assert status_of(get_kernel, api, "my-kernel") == 404
        status = "kernels.KernelsApiService/GetKernelSessionStatus"
        assert ask(local, status, userName=USERNAME, kernelSlug="my-kernel").status_code == 404
    with behaving(storage, monkeypatch) as (_, api):
        assert get_kernel(api, "my-kernel").metadata.current_version_number == 1


@row("GetKernel", "without a version, the last complete one may be shown while another runs", UNKNOWN, assumed=True)
def test_a_kernel_may_show_its_last_complete_version(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch, shows_last_complete=True) as (local, api):
        run_script(local, "print('one')")
        run_script(local, "raise SystemExit(1)")
        assert get_kernel(api, "my-kernel").metadata.current_version_number == 1
        assert get_kernel(api, "my-kernel", "v2").metadata.current_version_number == 2


@row(
    "SaveKernel",
    "a run too many is an error in a 200: Maximum batch GPU session count of 2 reached",
    "kaggle-cli issue 185",
)
@row("SaveKernel", "the same of five runs without a GPU", LIVE)
@pytest.mark.parametrize(("gpu", "most", "word"), [(True, 2, "GPU"), (False, 5, "CPU")])
def test_sessions_are_counted(
    *, gpu: bool, most: int, word: str, local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path
) -> None:
    local_kaggle.faults.add(Fault(on="run", outcome="stuck"))
    for number in range(most):
        settings = settings_of(kernel_type="script", enable_gpu=gpu)
        version = local_kaggle.storage.kernels.add_version(USERNAME, f"other-{number}", "", "pass", settings)
        local_kaggle.worker.run(version)
    answer = kaggle_api.kernels_push(script(tmp_path / "kernel", enable_gpu=gpu))
    assert answer.error == f"Maximum batch {word} session count of {most} reached."
    assert local_kaggle.storage.kernels.get(USERNAME, "my-kernel") is None
    other = kaggle_api.kernels_push(script(tmp_path / "kernel", enable_gpu=not gpu))
    assert not other.error, "each kind has its own count"


@row("SaveKernel", "an image that the account may not use is answered 403 without a body", LIVE)
def test_an_image_that_may_not_be_used(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    pinned = {"docker_image_pinning_type": "original"}
    image = "gcr.io/kaggle-images/python@sha256:" + "0" * 64
    assert kaggle_api.kernels_push(script(tmp_path / "kernel", docker_image=image, **pinned)).version_number == 1
    body = {"slug": REF, "newTitle": "My kernel", "text": "", "language": "python", "kernelType": "script"}
    refused = ask(local_kaggle, "kernels.KernelsApiService/SaveKernel", **body, dockerImage="gcr.io/mine/python")
    assert (refused.status_code, refused.content) == (403, b"")


@row("SaveKernel", 'turning a notebook into a script is an error in a 200: "You cannot change the editor type"', LIVE)
def test_a_notebook_stays_a_notebook(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    run_script(local_kaggle, "pass")
    answer = kaggle_api.kernels_push(str(write_kernel(tmp_path / "kernel", "pass")))
    assert answer.error.startswith("You cannot change the editor type")


@row("SaveKernel", "a source of 1,000,000 bytes or more is answered 400", LIVE)
def test_a_source_that_is_too_large(kaggle_api: Any, tmp_path: Path) -> None:
    assert status_of(kaggle_api.kernels_push, script(tmp_path / "kernel", "#" * 1_000_000)) == 400
    assert kaggle_api.kernels_push(script(tmp_path / "kernel", "#" * 999_999)).version_number == 1


@row("SaveKernel", "a title that is taken is answered 409", LIVE)
@row("SaveKernel", "the slug of a new kernel is its title's", "Kaggle/kaggle-cli, docs/kernels_metadata.md")
def test_titles(kaggle_api: Any, tmp_path: Path) -> None:
    first = kaggle_api.kernels_push(script(tmp_path / "kernel", id=f"{USERNAME}/other"))
    assert first.ref == REF
    assert status_of(kaggle_api.kernels_push, script(tmp_path / "kernel", id=f"{USERNAME}/other")) == 409


@row("SaveKernel", "sources that are not known are named, and dropped", "KaggleApi.kernels_push_cli")
def test_unknown_sources(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    sources: dict[str, Any] = {"dataset_sources": [f"{USERNAME}/none"], "competition_sources": ["none"]}
    answer = kaggle_api.kernels_push(script(tmp_path / "kernel", **sources))
    assert answer.invalid_dataset_sources == [f"{USERNAME}/none"]
    assert answer.invalid_competition_sources == ["none"]
    assert finished(local_kaggle).settings["datasets"] == []


@row("ListKernelSessionOutput", "the files of a run with links that need no credentials, and its log", LIVE)
@row("download", "an output's link is followed without credentials", LIVE)
def test_the_output_of_a_run(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    run_script(local_kaggle, "open('out.txt', 'w').write('x'); print('done')")
    kaggle_api.kernels_output(f"{REF}/1", str(tmp_path))
    assert (tmp_path / "out.txt").read_text() == "x"
    assert "done" in (tmp_path / "my-kernel.log").read_text()
    body = {"userName": USERNAME, "kernelSlug": "my-kernel", "versionLabel": "v1"}
    answer = ask(local_kaggle, "kernels.KernelsApiService/ListKernelSessionOutput", **body).json()
    assert requests.get(answer["files"][0]["url"], timeout=10).text == "x"


@row("GetKernelSessionStatus", "a cancelled run ends as CANCEL_ACKNOWLEDGED and keeps what it has written", LIVE)
@row("run", "a new version of a dataset can cancel the runs that have it attached", UNKNOWN, assumed=True)
def test_a_new_version_can_cancel_a_run(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch, new_version_cancels=True) as (local, api):
        published(local, {"a.txt": b"1"})
        source = "open('out.txt', 'w').write('x'); print('begun', flush=True)\nimport time; time.sleep(60)"
        settings = settings_of(kernel_type="script", datasets=[DATA])
        version = local.storage.kernels.add_version(USERNAME, "my-kernel", "", source, settings)
        local.worker.run(version)
        while not (live := local.worker.live_log(version, 0)) or not live[0]:
            time.sleep(0.01)
        published(local, {"a.txt": b"2"})
        assert finished(local).status == "cancelled"
        assert api.kernels_status(f"{REF}/1").status.name == "CANCEL_ACKNOWLEDGED"
        assert [name for name, _ in finished(local).output()] == ["out.txt"]


READ = f"from pathlib import Path; print([p.read_text() for p in Path('/kaggle/input').rglob('a.txt')], {DATA!r})"


@row("run", "a kernel that is pushed right after a version is ready can see the previous one, or none", LIVE)
def test_a_new_version_is_mounted_late(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch, mount_seconds=5) as (local, _):
        published(local, {"a.txt": b"one"})
        assert "[]" in printed(run_script(local, READ, datasets=[DATA]))
        time.sleep(5)
        published(local, {"a.txt": b"two"})
        assert "['one']" in printed(run_script(local, READ, datasets=[DATA]))
        time.sleep(5)
        assert "['two']" in printed(run_script(local, READ, datasets=[DATA]))


@row("run", "a kernel sees the version that was ready at its push, however long it waits for its run", LIVE)
def test_a_version_after_the_push_is_not_seen(local_kaggle: LocalKaggle) -> None:
    published(local_kaggle, {"a.txt": b"one"})
    settings = settings_of(kernel_type="script", datasets=[DATA])
    version = local_kaggle.storage.kernels.add_version(USERNAME, "my-kernel", "", READ, settings)
    published(local_kaggle, {"a.txt": b"two"})
    local_kaggle.worker.run(version)
    assert "['one']" in printed(finished(local_kaggle))


@row("SaveKernel", "a push for a GPU is refused when no GPU time is left", UNKNOWN, assumed=True)
@row("SaveKernel", "an accelerator that is named wins over enable_gpu", "kaggle-cli, docs/kernels.md")
def test_gpu_time_is_used_up(storage: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with behaving(storage, monkeypatch, gpu_quota_seconds=0) as (_, api):
        gpu, shape = (
            script(tmp_path / "gpu", enable_gpu=True),
            script(tmp_path / "shape", machine_shape="NvidiaTeslaT4"),
        )
        for folder in (gpu, shape):
            assert "GPU quota" in api.kernels_push(folder).error
        none = script(tmp_path / "none", enable_gpu=True, machine_shape="None")
        assert api.kernels_push(none).version_number == 1
        assert get_kernel(api, "my-kernel").metadata.machine_shape == "None"


@row("run", "a kernel that names owner/slug/1 may see the newest version all the same", UNKNOWN, assumed=True)
def test_datasets_may_not_be_pinned(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch, pins_datasets=False) as (local, _):
        published(local, {"a.txt": b"one"})
        published(local, {"a.txt": b"two"})
        assert "['two']" in printed(run_script(local, READ, datasets=[f"{DATA}/1"]))


IMPORTED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


@row("run", "a notebook has imported matplotlib, numpy, PIL and packaging before its first cell", NOTEBOOKS)
@row("run", "wrapt is imported at the start of every Python", "Kaggle/docker-python, patches/sitecustomize.py")
def test_modules_imported_before_the_first_cell(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    kaggle_api.kernels_push(str(write_kernel(tmp_path / "kernel", IMPORTED)))
    imported = printed(finished(local_kaggle)).split()
    early = {"matplotlib", "numpy", "PIL", "packaging", "dateutil", "pyparsing", "traitlets", "wrapt"}
    assert early <= set(imported)
    alone = set(printed(run_script(local_kaggle, IMPORTED, slug="a-script")).split())
    assert "wrapt" in alone
    assert not {"matplotlib", "numpy", "packaging"} & alone


@row(
    "GetAcceleratorQuotaStatistics",
    "the accelerator time of the week that is used, and is allowed",
    "KaggleApi.quota_view",
)
def test_quota(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch, gpu_quota_seconds=3600) as (_, api):
        quota = api.quota_view()
        assert quota.gpu_quota.total_time_allowed.total_seconds() == 30 * 3600
        assert quota.gpu_quota.time_used.total_seconds() == 29 * 3600, "more than a day, which the SDK would lose"
        assert quota.quota_refresh_time > datetime.now(UTC).replace(tzinfo=None)


# Kernels, beyond what push does


def push(api: Any, folder: str, **options: Any) -> Any:
    return api.kernels_push(folder, **options)


@row("SaveKernel", "push --no-run saves a version and does not run it", "KaggleApi.kernels_push")
@row("GetKernelSessionStatus", "a version that was only saved has the status NEW_SCRIPT", UNKNOWN, assumed=True)
def test_a_version_can_be_saved_without_a_run(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    assert push(kaggle_api, script(tmp_path / "kernel"), no_run=True).version_number == 1
    assert kaggle_api.kernels_status(f"{REF}/1").status.name == "NEW_SCRIPT"
    assert push(kaggle_api, script(tmp_path / "kernel")).version_number == 2
    assert finished(local_kaggle).number == 2
    assert local_kaggle.storage.kernels.unfinished() == []


@row("SaveKernel", "push --accelerator is stored, and wins over enable_gpu", "KaggleApi.kernels_push")
@row("GetKernel", "pull -m returns accelerator, keywords and the accelerators' switches", "KaggleApi.kernels_pull")
def test_settings_survive_a_pull(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    folder = script(tmp_path / "kernel", keywords=["tabular"], enable_tpu=False, enable_gpu=False)
    push(kaggle_api, folder, acc="NvidiaL4")
    assert finished(local_kaggle).settings["enable_gpu"]
    kaggle_api.kernels_pull(REF, str(tmp_path / "pulled"), metadata=True)
    metadata = json.loads((tmp_path / "pulled" / "kernel-metadata.json").read_text())
    assert metadata["keywords"] == ["tabular"]
    assert (metadata["machine_shape"], metadata["enable_gpu"], metadata["enable_tpu"]) == ("NvidiaL4", True, False)


@row("SaveKernel", "retired accelerators are replaced without a word", "kaggle 2.2.5, _RETIRED_ACCELERATORS")
@pytest.mark.parametrize(
    ("shape", "gpu", "tpu"),
    [("NvidiaTeslaP100", True, False), ("TpuV38", False, True), ("TpuV232", False, False), ("TpuV5E8", False, True)],
)
def test_retired_accelerators(
    shape: str, *, gpu: bool, tpu: bool, local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path
) -> None:
    push(kaggle_api, script(tmp_path / "kernel", machine_shape=shape))
    settings = finished(local_kaggle).settings
    assert (settings["enable_gpu"], settings["enable_tpu"]) == (gpu, tpu)


@row("SaveKernel", 'a stale id_no is an error in a 200: "Notebook not found"', "Kaggle/kaggle-cli issues 545, 575")
def test_a_stale_number(kaggle_api: Any, tmp_path: Path) -> None:
    assert push(kaggle_api, script(tmp_path / "kernel", id_no=4711)).error == "Notebook not found"


@row("SaveKernel", "a pin in kernel_sources is dropped without a word", LIVE)
def test_kernels_are_not_pinned(local_kaggle: LocalKaggle, kaggle_api: Any, tmp_path: Path) -> None:
    for text in ("one", "two"):
        run_script(local_kaggle, f"open('out.txt', 'w').write('{text}')", slug="first")
    source = f"print(open('/kaggle/input/notebooks/{USERNAME}/first/out.txt').read())"
    answer = push(kaggle_api, script(tmp_path / "kernel", source, kernel_sources=[f"{USERNAME}/first/1"]))
    assert not answer.invalid_kernel_sources
    assert finished(local_kaggle).settings["kernels"] == [f"{USERNAME}/first"]
    assert printed(finished(local_kaggle)) == "two\n"


@row("GetKernelSessionStatus", "a run that takes too long ends as CANCEL_ACKNOWLEDGED, with its output", LIVE)
def test_a_run_that_takes_too_long(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(storage, monkeypatch, session_seconds=2) as (local, api):
        run_script(local, "open('out.txt', 'w').write('x')\nimport time; time.sleep(60)")
        assert api.kernels_status(f"{REF}/1").status.name == "CANCEL_ACKNOWLEDGED"
        assert [file.name for file in api.kernels_list_files(f"{REF}/1").files] == ["out.txt"]


@row("run", "a session takes at most 12 hours on CPU and GPU, 9 on TPU", "Kaggle's documentation of notebooks")
def test_limits_of_sessions() -> None:
    assert (Behaviour().session_seconds, Behaviour().tpu_session_seconds) == (12 * 3600, 9 * 3600)


def run_notebook(local: LocalKaggle, document: dict[str, Any]) -> Any:
    version = local.storage.kernels.add_version(USERNAME, "my-kernel", "", json.dumps(document), settings_of())
    local.worker.run(version)
    return finished(local)


@row("run", "a notebook without a kernelspec fails as papermill does", "Kaggle/kaggle-cli issue 689")
@row("run", "a notebook of another language fails: NoSuchKernel", "papermill 2.6, jupyter_client")
@pytest.mark.parametrize(
    ("kernelspec", "said"),
    [({}, "ValueError: No kernel name found in notebook"), ({"name": "julia-1.9"}, "No such kernel named julia-1.9")],
)
def test_kernelspecs(kernelspec: dict[str, str], said: str, local_kaggle: LocalKaggle) -> None:
    document = notebook("print('never')")
    document["metadata"]["kernelspec"] = {**kernelspec, "display_name": "x"} if kernelspec else {}
    failed = run_notebook(local_kaggle, document)
    assert failed.status == "error"
    assert said in printed(failed)
    assert "never" not in printed(failed)


@row("run", "sys.exit(0) ends a notebook well, and later cells are not run", "papermill 2.6, execute.py")
@row("run", "sys.exit(1) in a notebook is a failure", "papermill 2.6, execute.py")
@pytest.mark.parametrize(("code", "status"), [("0", "complete"), ("", "complete"), ("1", "error")])
def test_exits(code: str, status: str, local_kaggle: LocalKaggle) -> None:
    ended = run_notebook(local_kaggle, notebook(f"import sys; sys.exit({code})", "print('later')"))
    assert ended.status == status
    assert "later" not in printed(ended)


@row("run", "a script is /kaggle/src/script.py, and works in /kaggle/working", LIVE)
def test_the_place_of_a_script(local_kaggle: LocalKaggle) -> None:
    source = "import os, sys; print(__file__, sys.argv, sys.path[0], os.getcwd())"
    place = "/kaggle/src/script.py"
    assert printed(run_script(local_kaggle, source)) == f"{place} ['{place}'] /kaggle/src /kaggle/working\n"


# A kernel's environment

ENVIRONMENT = """
import os
from pathlib import Path
for folder in ('/kaggle/temp', '/root', '/tmp'):
    Path(folder, 'left').write_text('x')
print(os.environ['HOME'], Path.home())
print(os.environ['KAGGLE_URL_BASE'], bool(os.environ['KAGGLE_CONTAINER_NAME']), os.environ['KAGGLE_DOCKER_IMAGE'])
print(Path('/etc/git_commit').read_text() != '', Path('/etc/build_date').read_text() != '')
print(sorted(path.name for path in Path('/kaggle/working').iterdir()))
"""


@row("run", "/kaggle/temp and /root can be written to, and are discarded", LIVE)
@row("run", "HOME is /root", NOTEBOOKS)
@row("run", "KAGGLE_URL_BASE, KAGGLE_CONTAINER_NAME and KAGGLE_DOCKER_IMAGE are set", LIVE)
@row("run", "/etc/git_commit and /etc/build_date tell of the image", NOTEBOOKS)
def test_the_environment_of_a_kernel(local_kaggle: LocalKaggle) -> None:
    image = "gcr.io/kaggle-images/python@sha256:" + "0" * 64
    for _ in range(2):
        lines = printed(run_script(local_kaggle, ENVIRONMENT, docker_image=image)).splitlines()
        assert lines == ["/root /root", f"https://www.kaggle.com True {image}", "True True", "[]"]
    look = "from pathlib import Path; print(any(Path(folder, 'left').exists() for folder in ('/kaggle/temp', '/root')))"
    assert printed(run_script(local_kaggle, look)) == "False\n"


@row("run", "modules of a competition's data are imported without more", "PYTHONPATH in kernels of ARC Prize 2025")
@row(
    "run", "modules of a competition's data are imported without more under the new layout, too", UNKNOWN, assumed=True
)
@pytest.mark.parametrize("old_layout", [True, False])
def test_a_competitions_modules_are_imported(
    old_layout: bool, storage: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = write_competition_of_files(tmp_path / "files", "with-modules", {1: 7})
    (folder / "public" / "theirs").mkdir()
    (folder / "public" / "theirs" / "module.py").write_text("NAME = 'theirs'\n")
    with behaving(storage, monkeypatch, old_layout=old_layout) as (local, _):
        local.host(folder)
        code = "import theirs.module; print(theirs.module.NAME)"
        assert printed(run_script(local, code, competitions=["with-modules"])) == "theirs\n"


@row("GetSubmission", "a server that never answers: Notebook Inference Server Never Started", ERRORS)
@row("GetSubmission", "any other failure of a server: Notebook Inference Server Error", UNKNOWN, assumed=True)
@row("GetSubmission", "a gateway that fails by itself: Kaggle Error", UNKNOWN, assumed=True)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SERVER_NEVER_STARTED", "Notebook Inference Server Never Started"),
        ("SERVER_MISSING_ENDPOINT", "Notebook Inference Server Error"),
        ("GATEWAY_RAISED_EXCEPTION", "Kaggle Error"),
    ],
)
def test_the_class_of_a_served_submissions_failure(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"Succeeded": False, "ErrorName": name}))
    served = Served(gateway=Outcome(0), kernel=Outcome(0), kernel_listened=True, kernel_ended=False)
    with pytest.raises(SubmissionError) as caught:
        check_result(tmp_path, served)
    assert caught.value.kind == kind


MODULES = """
import kaggle_datasets, kaggle_secrets, kaggle_session, kaggle_web_client
for call in (
    lambda: kaggle_secrets.UserSecretsClient().get_secret('token'),
    lambda: kaggle_datasets.KaggleDatasets().get_gcs_path(),
    lambda: kaggle_session.UserSessionClient().get_exportable_ipynb(),
):
    try:
        call()
    except ConnectionError as error:
        print(error)
try:
    kaggle_secrets.UserSecretsClient().get_secret('')
except kaggle_secrets.ValidationError as error:
    print(error)
"""


@row(
    "run", "kaggle_secrets, kaggle_datasets, kaggle_session fail with ConnectionError offline", "docker-python, patches"
)
def test_kaggles_own_modules_fail_offline(local_kaggle: LocalKaggle) -> None:
    said = printed(run_script(local_kaggle, MODULES)).splitlines()
    assert said == ["Connection error trying to communicate with service."] * 3 + ["Label must be non-empty."]


@row("run", "another kernel's script is at /kaggle/usr/lib/notebooks/<owner>/<slug>", LIVE)
def test_utility_scripts(local_kaggle: LocalKaggle) -> None:
    run_script(local_kaggle, "ANSWER = 42", slug="my-tools")
    place = f"/kaggle/usr/lib/notebooks/{USERNAME}/my-tools"
    source = f"import sys; sys.path.append('{place}')\nimport my_tools; print(my_tools.ANSWER)"
    assert printed(run_script(local_kaggle, source, kernels=[f"{USERNAME}/my-tools"])) == "42\n"


PROBES = """
import os, subprocess
from pathlib import Path
print(Path('/sys/devices/system/cpu/online').read_text().strip() != '')
print(subprocess.run(['lscpu'], capture_output=True).returncode if os.path.exists('/usr/bin/lscpu') else 0)
print(subprocess.run(['fc-list'], capture_output=True, text=True).stderr if os.path.exists('/usr/bin/fc-list') else '')
"""


@row("run", "what libraries look at without being asked (cores, fonts) answers", NOTEBOOKS)
def test_libraries_find_cores_and_fonts(local_kaggle: LocalKaggle) -> None:
    assert printed(run_script(local_kaggle, PROBES)).split() == ["True", "0"]


# Datasets and models, beyond what push does


@row("GetDatasetStatus", "a name that Kaggle refuses fails the processing when it is in an archive", LIVE)
def test_names_in_archives(local_kaggle: LocalKaggle) -> None:
    from tests.kaggle_local.storage.test_archives import zipped

    assert published(local_kaggle, {"a.zip": zipped(**{"b@c.txt": b"1"})}).status == "failed"
    assert published(local_kaggle, {"a.zip": zipped(**{"b+c.txt": b"1"})}).status == "ready"


@row("ListTreeDatasetFiles", "the files and folders right in a folder of a version", "kagglehub 1.0.3, http_resolver")
def test_a_datasets_tree(local_kaggle: LocalKaggle) -> None:
    published(local_kaggle, {"a.txt": b"1", "d/b.txt": b"22", "d/e/c.txt": b"3"})
    method, names = "datasets.DatasetApiService/ListTreeDatasetFiles", {"ownerSlug": USERNAME, "datasetSlug": "my-data"}
    root = ask(local_kaggle, method, **names).json()
    assert [file["relativeUrl"] for file in root["files"]] == ["a.txt"]
    assert [folder["relativeUrl"] for folder in root["directories"]] == ["d"]
    inner = ask(local_kaggle, method, **names, path="d").json()
    assert [(file["relativeUrl"], file["totalBytes"]) for file in inner["files"]] == [("d/b.txt", 2)]
    assert [folder["relativeUrl"] for folder in inner["directories"]] == ["d/e"]
    assert ask(local_kaggle, method, **names, path="nowhere").status_code == 404


@row("DownloadDataset", "a file is served as application/octet-stream, whatever it is", "KaggleApi.download_file")
def test_downloads_have_one_type(local_kaggle: LocalKaggle) -> None:
    published(local_kaggle, {"a.csv": b"1", "b.json": b"{}"})
    for name in ("a.csv", "b.json"):
        body = {"ownerSlug": USERNAME, "datasetSlug": "my-data", "fileName": name}
        answer = ask(local_kaggle, "datasets.DatasetApiService/DownloadDataset", **body)
        assert answer.headers["Content-Type"] == "application/octet-stream"


@row("ListDatasetFiles", "a page holds at most 200 rows", LIVE)
def test_pages(local_kaggle: LocalKaggle) -> None:
    published(local_kaggle, {f"{n}.txt": b"1" for n in range(201)})
    body: dict[str, Any] = {"ownerSlug": USERNAME, "datasetSlug": "my-data", "pageSize": 1000}
    first = ask(local_kaggle, "datasets.DatasetApiService/ListDatasetFiles", **body).json()
    assert len(first["datasetFiles"]) == 200
    rest = ask(local_kaggle, "datasets.DatasetApiService/ListDatasetFiles", **body, pageToken=first["nextPageToken"])
    assert len(rest.json()["datasetFiles"]) == 1


@row(
    "GetDataset",
    "what is public can be read without credentials, what is private cannot",
    "kagglehub integration_tests",
)
def test_reading_without_credentials(local_kaggle: LocalKaggle) -> None:
    published(local_kaggle, {"a.txt": b"1"})
    service = f"{local_kaggle.url}/api/v1/datasets.DatasetApiService"
    body = {"ownerSlug": USERNAME, "datasetSlug": "my-data"}
    assert requests.post(f"{service}/GetDataset", json=body, timeout=10).status_code == 403
    resource = local_kaggle.storage.resources.get("dataset", DATA)
    assert resource is not None
    local_kaggle.storage.resources.update(replace(resource, private=False))
    assert requests.post(f"{service}/GetDataset", json=body, timeout=10).ok
    assert requests.post(f"{service}/DeleteDataset", json=body, timeout=10).status_code == 401


@row("Hello", "tells whose credentials are used", "kagglehub 1.0.3, auth._validate_credentials_helper")
def test_hello(local_kaggle: LocalKaggle) -> None:
    assert ask(local_kaggle, "api.v1.DiagnosticsService/Hello").json() == {"userName": USERNAME}
    assert requests.post(f"{local_kaggle.url}/api/v1/api.v1.DiagnosticsService/Hello", timeout=10).status_code == 401


@row("CreateModel", "a slug may hold an underscore", "kagglehub integration_tests")
@row("CreateModel", 'a taken slug is an error in the answer: "… already used"', "kaggle-cli, tests/backend")
def test_models(local_kaggle: LocalKaggle) -> None:
    method = "models.ModelApiService/CreateModel"
    body: dict[str, Any] = {"ownerSlug": USERNAME, "slug": "my_model", "title": "My model", "isPrivate": True}
    assert ask(local_kaggle, method, **body).json()["ref"] == f"{USERNAME}/my_model"
    assert "already used" in ask(local_kaggle, method, **body).json()["error"]


@row(
    "ListModelInstances",
    "the version in use of each variation, with its notes and whether it is ready",
    "KaggleApi.model_instances_list_cli, Kaggle/kaggle-cli issue 586",
)
@row("ListModelInstanceVersions", "a version shows while it is in processing", UNKNOWN, assumed=True)
@row("ListModelInstanceVersionFiles", "files in folders by their paths", "kagglehub 1.0.3, http_resolver")
@row(
    "CreateModelInstance",
    "a taken name is an error in the answer, with the code 409",
    "kagglehub 1.0.3, models_helpers",
)
def test_versions_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behaving(tmp_path / "kaggle", monkeypatch, processing_seconds=0.5) as (local, _):
        service = "models.ModelApiService"
        model = {"ownerSlug": USERNAME, "modelSlug": "my-model"}
        variation = {**model, "framework": "MODEL_FRAMEWORK_OTHER", "instanceSlug": "base"}
        ask(local, f"{service}/CreateModel", ownerSlug=USERNAME, slug="my-model", title="my-model", isPrivate=True)

        def content(text: str) -> dict[str, Any]:
            folder = {"name": "sub", "files": [{"token": uploaded(local, "x.txt", text.encode())}]}
            return {"files": [], "directories": [folder]}

        first = {"instanceSlug": "base", "framework": "MODEL_FRAMEWORK_OTHER", "overview": "first", **content("1")}
        assert "error" not in ask(local, f"{service}/CreateModelInstance", **model, body=first).json()
        taken = ask(local, f"{service}/CreateModelInstance", **model, body=first).json()
        assert taken["errorCode"] == 409

        def shown() -> tuple[int, str]:
            (instance,) = ask(local, f"{service}/ListModelInstances", **model).json()["instances"]
            return instance["versionNumber"], instance["creationStatus"]["status"]

        assert shown() == (1, "BLOBS_RECEIVED")
        while shown() != (1, "READY"):
            time.sleep(0.05)
        second = {"versionNotes": "second", **content("2")}
        ask(local, f"{service}/CreateModelInstanceVersion", **variation, body=second)
        versions = ask(local, f"{service}/ListModelInstanceVersions", **variation).json()["versionList"]["versions"]
        assert [version["versionNumber"] for version in versions] == [2, 1]
        assert shown() == (1, "READY")
        while shown() != (2, "READY"):
            time.sleep(0.05)
        files = ask(local, f"{service}/ListModelInstanceVersionFiles", **variation, versionNumber=2).json()["files"]
        assert [file["name"] for file in files] == ["sub/x.txt"]


# Competitions, beyond what submit does


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A competition of files, whose slug has capitals."""
    return write_competition_of_files(tmp_path / "files", "Mixed-Case", {1: 7, 2: 8})


@row("GetCompetition", "a slug is found in any letters, and is returned in its own", LIVE)
@row("run", "a competition is mounted in its own letters", LIVE)
def test_a_slug_with_capitals(local_kaggle: LocalKaggle, kaggle_api: Any, files: Path, tmp_path: Path) -> None:
    local_kaggle.host(files)
    assert get_competition(kaggle_api, "mixed-case").ref == "Mixed-Case"
    source = "from pathlib import Path; print(*Path('/kaggle/input/competitions').iterdir())"
    push(kaggle_api, script(tmp_path / "kernel", source, competition_sources=["mixed-case"]))
    assert printed(finished(local_kaggle)) == "/kaggle/input/competitions/Mixed-Case\n"


def hand_in(api: Any, path: Path, text: str) -> int:
    path.write_text(text)
    return int(api.competition_submit(str(path), "", "mixed-case", quiet=True).ref)


@row("CreateSubmission", "columns may come in another order", "Kaggle's documentation of metrics")
@row("GetSubmission", "a failed file submission tells its reason", LIVE)
@row("DownloadSubmission", "returns the file that was handed in", "KaggleApi.competition_download_submission")
def test_submissions_of_files(local_kaggle: LocalKaggle, kaggle_api: Any, files: Path, tmp_path: Path) -> None:
    local_kaggle.host(files)
    good = hand_in(kaggle_api, tmp_path / "good.csv", "digit,id\n7,1\n8,2\n")
    bad = hand_in(kaggle_api, tmp_path / "bad.csv", "id,digit\n1,7\n")
    assert scored(local_kaggle, good).score == 1.0
    scored(local_kaggle, bad)
    assert "1 rows, the test set has 2" in get_submission(kaggle_api, bad).error_description
    kaggle_api.competition_download_submission(good, str(tmp_path / "down"), quiet=True)
    assert (tmp_path / "down" / "good.csv").read_text() == "digit,id\n7,1\n8,2\n"


@row("CreateSubmission", "a file is scored at once, not behind runs of kernels", LIVE)
def test_files_do_not_wait_for_kernels(local_kaggle: LocalKaggle, kaggle_api: Any, files: Path, tmp_path: Path) -> None:
    local_kaggle.host(files)
    settings = settings_of(kernel_type="script")
    version = local_kaggle.storage.kernels.add_version(
        USERNAME, "my-kernel", "", "import time; time.sleep(3600)", settings
    )
    local_kaggle.worker.run(version)
    assert scored(local_kaggle, hand_in(kaggle_api, tmp_path / "good.csv", "id,digit\n1,7\n2,8\n")).score == 1.0


@row("GetSubmission", "the classes of failures: Notebook Threw Exception and others", "Kaggle's page of submissions")
@pytest.mark.parametrize(
    ("rerun", "kind"),
    [
        ("raise ValueError", "Notebook Threw Exception"),
        ("import time; time.sleep(60)", "Notebook Timeout"),
        ("x = bytearray(400_000_000)\nimport time; time.sleep(5)", "Notebook Exceeded Allowed Compute"),
        ("import os; os.remove('submission.csv')", "Submission File Not Found"),
        ("open('submission.csv', 'w').write('x')", "Submission Scoring Error"),
    ],
)
def test_classes_of_failures(
    rerun: str, kind: str, storage: Path, monkeypatch: pytest.MonkeyPatch, competition: Path
) -> None:
    with behaving(storage, monkeypatch, session_seconds=8, memory_bytes=200_000_000) as (local, api):
        local.host(competition)
        lines = rerun.replace("\n", "\n    ")
        source = f"import os\n{HANDED_IN}\nif 'KAGGLE_IS_COMPETITION_RERUN' in os.environ:\n    {lines}"
        run_script(local, source, competitions=["leaves"])
        ref = submit(api).ref
        scored(local, ref)
        assert get_submission(api, ref).error_description == kind
