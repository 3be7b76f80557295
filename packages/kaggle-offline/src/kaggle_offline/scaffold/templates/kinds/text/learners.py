"""The learners: linear models on words. Go on here, with a language model from a dataset of checkpoints."""

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer


def make_classifier() -> Pipeline:
    """Return a learner of labels."""
    return make_pipeline(FunctionTransformer(_joined), _words(), LogisticRegression(C=10, max_iter=1000))


def make_regressor() -> Pipeline:
    """Return a learner of numbers."""
    return make_pipeline(FunctionTransformer(_joined), _words(), Ridge())


def _words() -> TfidfVectorizer:
    """Weigh each word and each pair of words."""
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)


def _joined(features: pd.DataFrame) -> "pd.Series[str]":
    """Return the texts of each row as one."""
    return features.select_dtypes(exclude="number").fillna("").astype(str).agg(" ".join, axis=1)
