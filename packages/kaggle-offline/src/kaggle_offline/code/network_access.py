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
    "kagglehub.competition_download",
    "fetch_openml",
    "fetch_20newsgroups",
    "UserSecretsClient",
)
# Calls that do where they are given the name of something published, or an address.
_CALLS_BY_NAME = ("from_pretrained", "SentenceTransformer", "pipeline")
# The arguments with that name or address, where it is not the first.
_NAMING = ("pretrained_model_name_or_path", "model_name_or_path", "model", "url")
_CALLS_BY_ADDRESS = re.compile(r"(?:read_\w+|get|load|KerasLayer|Request|download\w*)")
# A host without a dot is one of Kaggle's own, next to the kernel: a gateway.
_LOCAL_HOST = r"(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|[A-Za-z0-9_-]+)(?=[:/\s]|$)"
_ADDRESS = re.compile(rf"https?://(?!{_LOCAL_HOST})")
_LOCAL_ADDRESS = re.compile(rf"https?://{_LOCAL_HOST}")
# Arguments that have weights or data fetched.
_KEYWORDS = {"pretrained": (True,), "download": (True,), "encoder_weights": ("imagenet",)}
_WEIGHTS = re.compile(r"DEFAULT|IMAGENET\w*|imagenet")
_FETCHES = re.compile(
    r"(?:^|&&|\|\||[;|(\n])\s*(?:sudo\s+)?(?:wget|curl|aria2c|gdown|git\s+clone|apt|apt-get|conda|mamba|kaggle|huggingface-cli"
    r"|hf\s+download|(?:\S*python\S*\s+-m\s+)?spacy\s+download)\b"
)


def text_constants(code: str) -> dict[str, str]:
    """Return the texts that code gives to names, as it writes them.

    Among them are attributes of classes, as ``CFG.model``, values of tables, as ``CFG['model']``, and arguments with
    such a default.
    """
    found: dict[str, str] = {}
    for node in nodes_of(code):
        if isinstance(node, ast.Module):
            found |= _texts_assigned(node.body, "")
        elif isinstance(node, ast.ClassDef):
            found |= _texts_assigned(node.body, f"{node.name}.")
        elif isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            first = len(positional) - len(node.defaults)
            pairs = [
                *zip(positional[first:], node.defaults, strict=True),
                *zip(node.kwonlyargs, node.kw_defaults, strict=True),
            ]
            for argument, default in pairs:
                if isinstance(default, ast.Constant) and isinstance(default.value, str):
                    found.setdefault(argument.arg, default.value)
    return found


def _texts_assigned(body: list[ast.stmt], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [f"{prefix}{target.id}" for target in targets if isinstance(target, ast.Name)]
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found |= dict.fromkeys(names, node.value.value)
        elif isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found |= dict.fromkeys([f"{name}[{key.value!r}]" for name in names], value.value)
    return found


def _text_of(node: ast.expr | None, constants: Mapping[str, str]) -> str:
    """Return a text as far as its beginning is known."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return constants.get(ast.unparse(node), "")
    if isinstance(node, ast.BinOp):
        return _text_of(node.left, constants)
    if isinstance(node, ast.JoinedStr) and node.values:
        first = node.values[0]
        if isinstance(first, ast.FormattedValue):
            first = first.value
        return _text_of(first, constants)
    return ""


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
            what = _named_by(name, node)
            if is_called(name, _CALLS) and not _LOCAL_ADDRESS.match(_text_of(what, constants)):
                shown = ast.unparse(what) if what else ""
                found.append((node.lineno, f"{name}({shown})"))
            elif what and _fetches_by_name(name, node, _text_of(what, constants)):
                found.append((node.lineno, f"{name}({ast.unparse(what)})"))
            else:
                arguments = [keyword for keyword in node.keywords if _fetches_by_keyword(keyword)]
                found += [(node.lineno, f"{name}(…, {ast.unparse(keyword)})") for keyword in arguments]
    return sorted(found)


def _named_by(name: str, call: ast.Call) -> ast.expr | None:
    """Return the argument of a call that says what to fetch."""
    named = [keyword.value for keyword in call.keywords if keyword.arg in _NAMING]
    if named and (not call.args or is_called(name, ("pipeline",))):
        return named[0]
    return call.args[0] if call.args and not is_called(name, ("pipeline",)) else None


def _fetches_by_name(name: str, call: ast.Call, text: str) -> bool:
    """Tell whether a call is given the name of something published, rather than a path, or an address."""
    if name.endswith("create_model") and len(call.args) > 1:
        return isinstance(call.args[1], ast.Constant) and call.args[1].value is True
    if not text:
        return False
    if is_called(name, _CALLS_BY_NAME):
        return not text.startswith(("/", ".")) and not any(k.arg == "local_files_only" for k in call.keywords)
    return bool(_CALLS_BY_ADDRESS.fullmatch(name.rpartition(".")[2]) and _ADDRESS.match(text))


def _fetches_by_keyword(keyword: ast.keyword) -> bool:
    if keyword.arg == "weights":
        return bool(_WEIGHTS.fullmatch(ast.unparse(keyword.value).rpartition(".")[2].strip("'\"")))
    return isinstance(keyword.value, ast.Constant) and keyword.value.value in _KEYWORDS.get(keyword.arg or "", ())
