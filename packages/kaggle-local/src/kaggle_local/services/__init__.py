"""The services of Kaggle's API, a module each; ``METHODS`` has every method that is answered."""

from kaggle_local.services import blobs, competitions, datasets, kernels, models, security
from kaggle_local.services.rpc import Method

METHODS: dict[str, Method] = {
    f"{service}/{name}": method
    for service, methods in (
        ("blobs.BlobApiService", blobs.METHODS),
        ("competitions.CompetitionApiService", competitions.METHODS),
        ("datasets.DatasetApiService", datasets.METHODS),
        ("kernels.KernelsApiService", kernels.METHODS),
        ("models.ModelApiService", models.METHODS),
        ("security.OAuthService", security.METHODS),
    )
    for name, method in methods.items()
}
