"""A Kaggle of one's own: its storage, its worker, its settings and its faults, without the HTTP server in front."""

from collections.abc import Mapping
from pathlib import Path

from kaggle_local.behaviour import SANDBOX, Behaviour
from kaggle_local.errors import SandboxError
from kaggle_local.faults import Faults
from kaggle_local.runs.container import Container
from kaggle_local.runs.execution import ready_image
from kaggle_local.runs.image import Image, ImageSpec, build_image, image_folder, is_whole
from kaggle_local.runs.sandbox import find_bwrap
from kaggle_local.scoring.competition import Competition, load_competition
from kaggle_local.scoring.score import baseline_score, metric_of
from kaggle_local.services.security import token_of
from kaggle_local.storage import Storage
from kaggle_local.storage.stand_ins import SourceKind, has_source, is_stand_in, stand_in
from kaggle_local.worker import Worker

USERNAME = "kaggler"


class LocalKaggle:
    """A Kaggle that is open: where it is, and what its host may do beyond the API.

    Attributes:
        url: its address, such as ``http://127.0.0.1:41234``.
        token: a token that the official client can use.
        tokens: tokens that are known beside ``local-<username>``, and whose they are.
        faults: the failures to simulate.
    """

    def __init__(self, root: Path, behaviour: Behaviour, tokens: Mapping[str, str]) -> None:
        self.storage = Storage(root)
        self.behaviour = behaviour
        if behaviour.engine != SANDBOX:
            try:
                self._container("").remove_leftovers()
            except SandboxError:
                self.storage.close()
                raise
        self.tokens = tokens
        self.token = token_of(USERNAME)
        self.url = ""
        self.faults = Faults()
        self.worker = Worker(self.storage, behaviour, self.faults)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that point the official command line and kagglehub here, in a process of their own."""
        proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy"), self.url)
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_API_TOKEN": self.token,
            **proxy,
            "NO_PROXY": "",
            "no_proxy": "",
        }

    def host(self, folder: Path) -> Competition:
        """Host a competition folder under its slug.

        Raises:
            CompetitionError: the folder is not one, or its metric is not known.
        """
        competition = load_competition(folder)
        metric_of(competition)
        self.storage.submissions.host(competition.slug, competition.folder)
        return competition

    def has_source(self, kind: SourceKind, source: str) -> bool:
        """Tell whether kernels can have an input, by the name that a kernel's metadata has for it."""
        return has_source(self.storage, kind, source)

    def is_stand_in(self, kind: SourceKind, source: str) -> bool:
        """Tell whether an input is a folder that stands in for it."""
        return is_stand_in(self.storage, kind, source)

    def stand_in(self, kind: SourceKind, source: str, folder: Path, digest: str) -> None:
        """Copy a folder's files here as somebody's dataset, model or kernel output; see `storage.stand_ins`.

        Raises:
            StorageError: something of that name was pushed here.
        """
        stand_in(self.storage, kind, source, folder, digest)

    def baseline(self, competition: Competition) -> float:
        """Return the score of the solution's most common row for every row, on the public leaderboard.

        Raises:
            SubmissionError: the host's metric refuses such a submission.
            CompetitionError: the solution does not suit the metric.
        """
        return baseline_score(competition, self.worker.custom_metric(competition))

    def _container(self, reference: str) -> Container:
        return Container(engine=self.behaviour.engine, reference=reference, owner=str(self.storage.root))

    def fetch_image(self, reference: str) -> None:
        """Fetch a real image for the container engine, if kernels run in one.

        Args:
            reference: the image by its digest, as a kernel's settings or a manifest name it.

        Raises:
            ImageError: no image is named, or it cannot be fetched.
            SandboxError: the engine cannot be used.
        """
        if self.behaviour.engine != SANDBOX:
            self._container(reference).fetch()

    def has_image(self, spec: ImageSpec) -> bool:
        """Tell whether the image has been built."""
        return is_whole(image_folder(spec, self.storage.images.folder))

    def set_image(self, spec: ImageSpec) -> Image:
        """Build the image that versions of kernels run in which are pushed from now on, also after a restart.

        A version that is there keeps its own, in which it is rerun, too.

        Raises:
            ImageError: it cannot be built.
            SandboxError: this machine cannot isolate kernels.
        """
        if self.behaviour.engine != SANDBOX:
            # Only the host's own programs use it.
            image = build_image(spec, self.storage.images.folder)
        else:
            find_bwrap()
            image = ready_image(spec, self.storage.images.folder)
        self.storage.images.use(spec)
        return image

    @property
    def image_is_set(self) -> bool:
        """Tell whether an image was ever set."""
        return self.storage.images.is_set

    def close(self) -> None:
        """Stop all work and release the storage."""
        self.worker.close()
        self.storage.close()
