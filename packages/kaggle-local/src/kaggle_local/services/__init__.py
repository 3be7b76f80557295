"""The services of Kaggle's API, a module each; ``METHODS`` has every method that is answered."""

from kaggle_local.services import blobs, competitions, datasets, kernels, models, security
from kaggle_local.services.rpc import Method

_SERVICES = {
    "blobs.BlobApiService": blobs.METHODS,
    "competitions.CompetitionApiService": competitions.METHODS,
    "datasets.DatasetApiService": datasets.METHODS,
    "kernels.KernelsApiService": kernels.METHODS,
    "models.ModelApiService": models.METHODS,
    "security.OAuthService": security.METHODS,
}

METHODS: dict[str, Method] = {}
for _service, _methods in _SERVICES.items():
    METHODS.update({f"{_service}/{name}": method for name, method in _methods.items()})
