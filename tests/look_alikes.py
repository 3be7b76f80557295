"""Competitions that look like Kaggle's: drawn data, real layouts and column names, hosted by a local Kaggle.

Each function writes a competition folder for `LocalKaggle.host`; what can be learned is learned from one column.
"""

import csv
import io
import json
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

Rows = Sequence[Mapping[str, object]]

METRIC = '''\
"""The host's metric: the accuracy, for answers that are known."""

import pandas as pd


class ParticipantVisibleError(Exception):
    """Shown to participants."""


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    """Return the part of the rows that are right."""
    del solution[row_id_column_name], submission[row_id_column_name]
    if not submission["grade"].isin(["low", "high"]).all():
        raise ParticipantVisibleError("a grade is low or high")
    return float((solution["grade"] == submission["grade"]).mean())
'''


def titanic(folder: Path) -> Path:
    generator = np.random.default_rng(1)
    rows = []
    for number in range(1, 401):
        is_female = bool(generator.random() < 0.4)
        survived = int(generator.random() < (0.85 if is_female else 0.15))
        rows.append(
            {
                "PassengerId": number,
                "Survived": survived,
                "Pclass": int(generator.integers(1, 4)),
                "Name": f"Passenger-{number}, {'Mrs' if is_female else 'Mr'}. Someone",
                "Sex": "female" if is_female else "male",
                "Age": "" if number % 7 == 0 else round(float(generator.uniform(1, 80)), 1),
                "SibSp": int(generator.integers(0, 4)),
                "Parch": int(generator.integers(0, 3)),
                "Ticket": f"PC {generator.integers(10_000, 99_999)}",
                "Fare": round(float(generator.exponential(30)), 4),
                "Cabin": f"C{number}" if number % 5 == 0 else "",
                "Embarked": str(generator.choice(["S", "C", "Q"])),
            }
        )
    return write_tables(folder, "titanic", "accuracy", rows, "Survived", test=150, sample=("gender_submission.csv", 0))


def house_prices(folder: Path) -> Path:
    generator = np.random.default_rng(2)
    rows = []
    for number in range(1, 301):
        area = int(generator.integers(500, 4000))
        price = round(area * 100 * float(generator.lognormal(0, 0.1)))
        zone = str(generator.choice(["RL", "RM", "C (all)"]))
        names = {"Id": number, "MSZoning": zone, "LotFrontage": "NA" if number % 6 == 0 else 60 + number % 40}
        rows.append({**names, "GrLivArea": area, "Neighborhood": "CollgCr", "SalePrice": price})
    slug = "house-prices-advanced-regression-techniques"
    return write_tables(folder, slug, "rmsle", rows, "SalePrice", test=140, sample=("sample_submission.csv", 179183.9))


def science_exam(folder: Path) -> Path:
    generator = np.random.default_rng(3)
    rows = []
    for number in range(200):
        answer = str(generator.choice(list("ABCDE")))
        prompt = f"Which of the statements below is about {answer.lower() * 3} and the other parts of the theory?"
        options = {letter: f"It is statement {letter} of question {number}." for letter in "ABCDE"}
        rows.append({"id": number, "prompt": prompt, **options, "answer": answer})
    return write_tables(
        folder,
        "kaggle-llm-science-exam",
        "map@3",
        rows,
        "answer",
        test=80,
        sample=("sample_submission.csv", "A B C"),
        submitted="prediction",
    )


def with_host_metric(folder: Path) -> Path:
    generator = np.random.default_rng(4)
    rows = []
    for number in range(240):
        size = float(generator.uniform(0, 10))
        rows.append({"row_id": f"r-{number}", "size": round(size, 2), "grade": "high" if size > 5 else "low"})
    write_tables(folder, "graded-rows", "metric.py", rows, "grade", test=60, sample=("sample_submission.csv", "low"))
    (folder / "metric.py").write_text(METRIC)
    solution = pd.read_csv(folder / "solution.csv")
    solution["Usage"] = ["Public" if number % 3 else "Private" for number in range(len(solution))]
    solution.to_csv(folder / "solution.csv", index=False)
    return folder


def parquet_tables(folder: Path) -> Path:
    generator = np.random.default_rng(5)
    rows = []
    for number in range(300):
        height, width = generator.uniform(0, 1, size=2).tolist()
        rows.append({"row": number, "height": height, "width": width, "flag": number % 2 == 0, "load": height * 3})
    write_tables(folder, "loads", "rmse", rows, "load", test=90, sample=("sample_submission.parquet", 0.5))
    for name in ("train", "test"):
        path = folder / "public" / f"{name}.csv"
        pd.read_csv(path).to_parquet(path.with_suffix(".parquet"))
        path.unlink()
    return folder


def leaf_images(folder: Path) -> Path:
    """As Cassava's: a table of labels for the training images, and the sample alone for those of the test set."""
    train = {f"{number:04}.jpg": number % 4 for number in range(80)}
    test = {f"t{number:04}.jpg": number % 4 for number in range(24)}
    for side, labels in (("train_images", train), ("test_images", test)):
        for name, label in labels.items():
            write_image(folder / "public" / side / name, label)
    write_csv(folder / "public" / "train.csv", [{"image_id": name, "label": label} for name, label in train.items()])
    write_csv(folder / "public" / "sample_submission.csv", [{"image_id": name, "label": 4} for name in test])
    write_csv(folder / "solution.csv", [{"image_id": name, "label": label} for name, label in test.items()])
    return write_settings(folder, "cassava-leaf-disease-classification", "accuracy", "image_id", "label")


def seedlings(folder: Path) -> Path:
    """As Plant Seedlings': the training images lie in folders of their labels."""
    species = ("Black-grass", "Common Chickweed", "Maize")
    for number in range(75):
        write_image(folder / "public" / "train" / species[number % 3] / f"{number:04}.png", number % 3)
    test = [f"t{number:04}.png" for number in range(21)]
    for number, name in enumerate(test):
        write_image(folder / "public" / "test" / name, number % 3)
    write_csv(folder / "public" / "sample_submission.csv", [{"file": name, "species": "Sugar beet"} for name in test])
    write_csv(folder / "solution.csv", [{"file": n, "species": species[k % 3]} for k, n in enumerate(test)])
    return write_settings(folder, "plant-seedlings-classification", "accuracy", "file", "species")


def bird_calls(folder: Path) -> Path:
    """Recordings of two birds, as AUC wants their probabilities: a column for each."""
    birds = ("amecro", "amerob")
    train = {f"XC{number:04}.wav": number % 2 for number in range(60)}
    test = {f"XT{number:04}.wav": number % 2 for number in range(20)}
    for side, calls in (("train_audio", train), ("test_audio", test)):
        for name, bird in calls.items():
            write_sound(folder / "public" / side / name, bird)
    write_csv(folder / "public" / "train.csv", [{"filename": n, "primary_label": birds[b]} for n, b in train.items()])
    asked = [{"filename": name, **dict.fromkeys(birds, 0.5)} for name in test]
    write_csv(folder / "public" / "sample_submission.csv", asked)
    known = [{"filename": name, **{bird: int(birds[b] == bird) for bird in birds}} for name, b in test.items()]
    write_csv(folder / "solution.csv", known)
    write_settings(folder, "bird-calls", "auc", "filename", "amecro")
    settings = folder / "competition.toml"
    settings.write_text(settings.read_text().replace('target = "amecro"', 'target = ["amecro", "amerob"]'))
    return folder


LOOK_ALIKES: Mapping[str, Callable[[Path], Path]] = {
    "titanic": titanic,
    "house-prices-advanced-regression-techniques": house_prices,
    "kaggle-llm-science-exam": science_exam,
    "graded-rows": with_host_metric,
    "loads": parquet_tables,
    "cassava-leaf-disease-classification": leaf_images,
    "plant-seedlings-classification": seedlings,
    "bird-calls": bird_calls,
}


def write_tables(
    folder: Path,
    slug: str,
    metric: str,
    rows: Rows,
    target: str,
    *,
    test: int,
    sample: tuple[str, object],
    submitted: str = "",
) -> Path:
    """Write train and test tables, the last ``test`` rows of all being the test set, and a sample of one prediction."""
    submitted = submitted or target
    id_column = next(iter(rows[0]))
    train, tested = rows[:-test], rows[-test:]
    write_csv(folder / "public" / "train.csv", train)
    write_csv(folder / "public" / "test.csv", [{k: v for k, v in row.items() if k != target} for row in tested])
    name, prediction = sample
    asked = [{id_column: row[id_column], submitted: prediction} for row in tested]
    if name.endswith(".parquet"):
        pd.DataFrame(asked).to_parquet(folder / "public" / name)
    else:
        write_csv(folder / "public" / name, asked)
    write_csv(folder / "solution.csv", [{id_column: row[id_column], submitted: row[target]} for row in tested])
    return write_settings(folder, slug, metric, id_column, submitted)


def write_settings(folder: Path, slug: str, metric: str, id_column: str, target: str) -> Path:
    entries = {"slug": slug, "title": slug.replace("-", " "), "metric": metric, "id": id_column, "target": target}
    lines = [f"{key} = {json.dumps(value)}" for key, value in {**entries, "submissions": "file"}.items()]
    (folder / "competition.toml").write_text("\n".join([*lines, ""]))
    return folder


def write_csv(path: Path, rows: Rows) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue())


def write_image(path: Path, label: int) -> None:
    """Write an image whose colour tells the label."""
    noise = np.random.default_rng(len(path.stem) + label).normal(0, 25, size=(40, 48, 3))
    pixels = np.zeros((40, 48, 3)) + 60
    pixels[..., label % 3] = 180 if label < 3 else 20
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(path)


def write_sound(path: Path, bird: int) -> None:
    """Write half a second whose pitch tells the bird."""
    times = np.arange(8000) / 16_000
    sound = 0.5 * np.sin(2 * np.pi * (500 + 1500 * bird + len(path.stem)) * times)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((sound * 2**15).astype("<i2").tobytes())
