"""The conformance table: Kaggle's answers to the calls of push and submit, through the unmodified official client.

A row names the call, Kaggle's answer, where that is known from, and whether it is known or assumed. "Reported live"
is a person's report of a call to kaggle.com; a client's function is that of kaggle 2.2.5 or kagglesdk 0.1.38.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from kaggle_local.behaviour import Behaviour
from kaggle_local.faults import Fault
from kaggle_local.server import USERNAME, LocalKaggle, serve

from tests.end_to_end.fault_matrix import cases
from tests.kaggle_local.kernels import (
    ask,
    finished,
    printed,
    published,
    run_script,
    scored,
    settings_of,
    uploaded,
    write_kernel,
)

REF = f"{USERNAME}/my-kernel"
DATA = f"{USERNAME}/my-data"

LIVE = "reported live"
LABELS = "Kaggle/kaggle-cli pull request 1201, KaggleApi._kernel_version_label"
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
    assert {row.call for row in ROWS} == CALLS
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
@row("GetSubmission", "a failed code submission tells no reason", LIVE)
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
    assert (one.ref, one.status.name, one.error_description) == (failing, "ERROR", "")
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
    from tests.kaggle_local.test_archives import zipped

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
