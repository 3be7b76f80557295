"""Code that fetches from a network when it runs, as far as reading it shows."""

import ast
import re

from kaggle_offline.code.cells import nodes_of
from kaggle_offline.code.shell_commands import commands, is_called

# Calls that fetch, by the ends of their names.
_CALLS = (
    "hub.load",
    "hf_hub_download",
    "snapshot_download",
    "load_state_dict_from_url",
    "download_url_to_file",
    "load_dataset",
    "nltk.download",
    "requests.get",
    "urlopen",
    "urlretrieve",
    "gdown.download",
    "kagglehub.model_download",
    "kagglehub.dataset_download",
    "fetch_openml",
    "fetch_20newsgroups",
)
# Calls that do where they are given the name of something published, or an address.
_CALLS_BY_NAME = ("from_pretrained", "SentenceTransformer")
_CALLS_BY_ADDRESS = re.compile(r"(?:read_\w+|get|load|KerasLayer|Request|download\w*)")
_ADDRESS = re.compile(r"https?://")
# Arguments that have weights or data fetched.
_KEYWORDS = {"pretrained": (True,), "download": (True,), "encoder_weights": ("imagenet",)}
_WEIGHTS = re.compile(r"DEFAULT|IMAGENET\w*|imagenet")
_FETCHES = re.compile(
    r"(?:^|&&|\|\||[;|(\n])\s*(?:sudo\s+)?(?:wget|curl|aria2c|gdown|git\s+clone|apt|apt-get|conda|mamba|kaggle|huggingface-cli"
    r"|hf\s+download|(?:\S*python\S*\s+-m\s+)?spacy\s+download)\b"
)


def fetches(code: str) -> list[tuple[int, str]]:
    """Return lines, from 1, that use the network, and their code; installations by pip are left out."""
    found = [(command.line, command.text) for command in commands(code) if _FETCHES.search(command.command)]
    for node in nodes_of(code):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if is_called(name, _CALLS):
                found.append((node.lineno, f"{name}(…)"))
            elif _fetches_by_name(name, node):
                found.append((node.lineno, f"{name}({ast.unparse(node.args[0])})"))
            else:
                arguments = [keyword for keyword in node.keywords if _fetches_by_keyword(keyword)]
                found += [(node.lineno, f"{name}(…, {ast.unparse(keyword)})") for keyword in arguments]
    return sorted(found)


def _fetches_by_name(name: str, call: ast.Call) -> bool:
    """Tell whether a call is given the name of something published, rather than a path, or an address."""
    first = call.args[0] if call.args else None
    if name.endswith("create_model") and len(call.args) > 1:
        return isinstance(call.args[1], ast.Constant) and call.args[1].value is True
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
        return False
    if is_called(name, _CALLS_BY_NAME):
        return not first.value.startswith(("/", ".")) and not any(k.arg == "local_files_only" for k in call.keywords)
    return bool(_CALLS_BY_ADDRESS.fullmatch(name.rpartition(".")[2]) and _ADDRESS.match(first.value))


def _fetches_by_keyword(keyword: ast.keyword) -> bool:
    if keyword.arg == "weights":
        return bool(_WEIGHTS.fullmatch(ast.unparse(keyword.value).rpartition(".")[2].strip("'\"")))
    return isinstance(keyword.value, ast.Constant) and keyword.value.value in _KEYWORDS.get(keyword.arg or "", ())
