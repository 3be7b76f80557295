"""The server of a drawn competition, which its kernels make."""

from collections.abc import Sequence

from kaggle_evaluation.core.templates import InferenceServer
from kaggle_evaluation.drawn_gateway import DrawnGateway


class DrawnInferenceServer(InferenceServer):
    """Answers with ``predict(batch) -> table``."""

    def gateway(self, paths: Sequence[str]) -> DrawnGateway:
        """Return the gateway for a run of one's own."""
        return DrawnGateway(paths)
