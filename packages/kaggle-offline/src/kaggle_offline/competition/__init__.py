"""A competition as Kaggle knows it: its profile and its data; and the folder that the local Kaggle rehearses with."""
