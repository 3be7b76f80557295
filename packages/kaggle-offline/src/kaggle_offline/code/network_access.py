"""Code that fetches from a network when it runs, as far as reading it shows."""

import ast
import re
from collections.abc import Mapping
from types import MappingProxyType

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
    "UserSecretsClient",
    "wandb.login",
)
# Calls that do where they are given the name of something published, or an address.
_CALLS_BY_NAME = ("from_pretrained", "SentenceTransformer")
_CALLS_BY_ADDRESS = re.compile(r"(?:read_\w+|get|load|KerasLayer|Request|download\w*)")
_ADDRESS = re.compile(r"https?://(?!(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/]|$))")
_LOCAL_ADDRESS = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/\s]|$)")
# Arguments that have weights or data fetched.
_KEYWORDS = {"pretrained": (True,), "download": (True,), "encoder_weights": ("imagenet",)}
_WEIGHTS = re.compile(r"DEFAULT|IMAGENET\w*|imagenet")
_FETCHES = re.compile(
    r"(?:^|&&|\|\||[;|(\n])\s*(?:sudo\s+)?(?:wget|curl|aria2c|gdown|git\s+clone|apt|apt-get|conda|mamba|kaggle|huggingface-cli"
    r"|hf\s+download|(?:\S*python\S*\s+-m\s+)?spacy\s+download)\b"
)


def text_constants(code: str) -> dict[str, str]:
    """Return the texts that code gives to names, and to attributes of its classes, as ``CFG.model``."""
    found: dict[str, str] = {}
    for node in nodes_of(code):
        if isinstance(node, ast.Module):
            found |= _texts_assigned(node.body, "")
        elif isinstance(node, ast.ClassDef):
            found |= _texts_assigned(node.body, f"{node.name}.")
    return found


def _texts_assigned(body: list[ast.stmt], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if isinstance(node.value.value, str):
                found |= dict.fromkeys([f"{prefix}{name}" for name in names], node.value.value)
    return found


def fetches(code: str, constants: Mapping[str, str] = MappingProxyType({})) -> list[tuple[int, str]]:
    """Return lines, from 1, that use the network, and their code; installations by pip are left out.

    ``constants`` are those of `text_constants`, of all cells.
    """
    found = []
    for command in commands(code):
        is_local = _LOCAL_ADDRESS.search(command.command) and not _ADDRESS.search(command.command)
        if _FETCHES.search(command.command) and not is_local:
            found.append((command.line, command.text))
    for node in nodes_of(code):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if is_called(name, _CALLS) and not _is_local(node):
                found.append((node.lineno, f"{name}(…)"))
            elif _fetches_by_name(name, node, constants):
                found.append((node.lineno, f"{name}({ast.unparse(node.args[0])})"))
            else:
                arguments = [keyword for keyword in node.keywords if _fetches_by_keyword(keyword)]
                found += [(node.lineno, f"{name}(…, {ast.unparse(keyword)})") for keyword in arguments]
    return sorted(found)


def _is_local(call: ast.Call) -> bool:
    """Tell whether a call is given an address of the same machine."""
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and bool(_LOCAL_ADDRESS.match(str(first.value)))


def _fetches_by_name(name: str, call: ast.Call, constants: Mapping[str, str]) -> bool:
    """Tell whether a call is given the name of something published, rather than a path, or an address."""
    first = call.args[0] if call.args else None
    if name.endswith("create_model") and len(call.args) > 1:
        return isinstance(call.args[1], ast.Constant) and call.args[1].value is True
    text = first.value if isinstance(first, ast.Constant) else None
    if isinstance(first, ast.Name | ast.Attribute):
        text = constants.get(ast.unparse(first))
    if not isinstance(text, str):
        return False
    if is_called(name, _CALLS_BY_NAME):
        return not text.startswith(("/", ".")) and not any(k.arg == "local_files_only" for k in call.keywords)
    return bool(_CALLS_BY_ADDRESS.fullmatch(name.rpartition(".")[2]) and _ADDRESS.match(text))


def _fetches_by_keyword(keyword: ast.keyword) -> bool:
    if keyword.arg == "weights":
        return bool(_WEIGHTS.fullmatch(ast.unparse(keyword.value).rpartition(".")[2].strip("'\"")))
    return isinstance(keyword.value, ast.Constant) and keyword.value.value in _KEYWORDS.get(keyword.arg or "", ())
