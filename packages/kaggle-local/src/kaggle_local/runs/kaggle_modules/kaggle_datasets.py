"""The module of Kaggle's image that finds datasets in Google's storage: without a network it fails.

Names are those of Kaggle/docker-python, patches/kaggle_datasets.py.
"""

from kaggle_web_client import KaggleWebClient


class KaggleDatasets:
    """Finds datasets."""

    def __init__(self) -> None:
        self.web_client = KaggleWebClient()

    def get_gcs_path(self, dataset_dir: str | None = None) -> str:
        """Return the address of a mounted dataset.

        Raises:
            ConnectionError: always, for want of a network.
        """
        endpoint = "/requests/CopyDatasetVersionToKnownGcsBucketRequest"
        return str(self.web_client.make_post_request({"MountSlug": dataset_dir}, endpoint))
