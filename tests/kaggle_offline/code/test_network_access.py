"""Code that fetches is told apart from code that does not."""

import pytest
from kaggle_offline.code.network_access import fetches


@pytest.mark.parametrize(
    "code",
    [
        "timm.create_model('x', pretrained=True)",
        "torch.hub.load('x')",
        "!wget x",
        "urlopen('x')",
        "%pip list\n!git clone x",
    ],
)
def test_what_fetches_is_seen(code: str) -> None:
    assert len(fetches(code)) == 1


@pytest.mark.parametrize(
    "code", ["create_model('x', pretrained=False)", "create_model('x', pretrained=p)", "# !wget x"]
)
def test_what_does_not_fetch_is_not_said_to(code: str) -> None:
    assert fetches(code) == []
