"""Files of inputs that code reads are found where their paths are written out, and only those that it needs."""

import pytest
from kaggle_offline.code.input_files import input_files

BEGIN = 'data = find_input("trees")\n'


def read(*codes: str) -> list[str]:
    return [file.name for file in input_files(codes)]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ('pd.read_csv(data / "train.csv")', "train.csv"),
        ('pd.read_csv(find_input("trees") / "train.csv")', "train.csv"),
        ('pd.read_csv(f"{data}/tables/train.csv")', "tables/train.csv"),
        ('pd.read_csv(str(data) + "/train.csv")', "train.csv"),
        ('pd.read_csv(os.path.join(data, "tables", "train.csv"))', "tables/train.csv"),
        ('pd.read_csv(filepath_or_buffer=data / "train.csv")', "train.csv"),
        ('NAME = "train.csv"\npd.read_csv(data / NAME)', "train.csv"),
        ('PATH: Path = data / "train.csv"\npd.read_csv(PATH)', "train.csv"),
        ('class CFG:\n    root = data\npd.read_csv(CFG.root / "train.csv")', "train.csv"),
        ('class CFG:\n    root = data\n    train = root / "train.csv"\npd.read_csv(CFG.train)', "train.csv"),
        ('def f(data):\n    return 1\npd.read_csv(data.joinpath("train.csv"))', "train.csv"),
        ('import competition_kit as ck\nopen(ck.inputs.find_input("trees") / "notes.txt")', "notes.txt"),
        ('START = f"{data}/train_"\npd.read_csv(START + "1.csv")', "train_1.csv"),
        ('with open(Path(data, "notes.txt")) as file:\n    pass', "notes.txt"),
        ('(data / "notes.txt").read_text()', "notes.txt"),
        ('paths = (data / "images").glob("*.png")', "images"),
        ('paths = glob.glob(f"{data}/images/*.png")', "images"),
        ('for name in names:\n    Image.open(data / "images" / f"{name}.png")', "images"),
        ('def run():\n    own = find_input("trees")\n    return pd.read_csv(own / "train.csv")', "train.csv"),
    ],
)
def test_what_code_reads_is_found(code: str, name: str) -> None:
    assert read(BEGIN + code) == [name]


@pytest.mark.parametrize(
    "code",
    [
        'if (data / "more.csv").exists():\n    pd.read_csv(data / "more.csv")',
        'more = data / "more.csv"\nif os.path.exists(more):\n    pd.read_csv(more)',
        'try:\n    pd.read_csv(data / "more.csv")\nexcept FileNotFoundError:\n    pass',
        'def load(path):\n    return pd.read_csv(path) if path.exists() else None\nload(data / "more.csv")',
        'with suppress(FileNotFoundError):\n    pd.read_csv(data / "more.csv")',
        'more = data / "more"\nif more.is_dir():\n    pd.read_csv(more / "more.csv")',
        'if (data / "more").exists():\n    pd.read_csv(data / "more" / "more.csv")',
        'if os.getenv("KAGGLE_IS_COMPETITION_RERUN"):\n    pd.read_csv(data / "more.csv")',
        'def load(path):\n    return path\nload(data / "more.csv")',
        'load_folds(data / "more")',
        'open(data / ".." / "other" / "x.csv")',
        'os.path.basename(data / "more.csv")',
        'f = lambda data: open(data / "more.csv")',
        'def f():\n    data = other\n    return open(data / "more.csv")',
        'class CFG:\n    data = other\n    table = pd.read_csv(data / "more.csv")',
        'print(data / "more.csv")',
        'PATH = data / "images"',
        'PATH = f"{data}/image_"\nshow(PATH + name)',
        'TEMPLATE = str(data) + "/{}.png"\nshow(TEMPLATE.format(name))',
        'show(f"{data}/{name}.png")',
        "predict(data)",
        'def load(data):\n    return pd.read_csv(data / "more.csv")',
        'for data in folders:\n    pd.read_csv(data / "more.csv")',
        'data += "/more"\npd.read_csv(data + "/more.csv")',
        'pd.read_csv("train.csv")',
        'a = b / "x"\nb = a / "y"\nopen(a)',
        "this is no Python",
    ],
)
def test_what_it_may_do_without_or_is_not_written_out_is_not(code: str) -> None:
    assert read(BEGIN + code) == []


def test_pieces_of_a_program_share_their_names() -> None:
    [file] = input_files([BEGIN, "%matplotlib inline\n", 'pd.read_csv(data / "train.csv")'])
    assert (file.number, file.slug, file.name) == (2, "trees", "train.csv")


def test_names_that_are_made_of_many_do_not_take_long() -> None:
    names = [f"x{number} = x{number + 1} + x{number + 1}\n" for number in range(40)]
    assert read("".join(names) + 'x40 = "a"\nopen(data / x0)\n') == []
