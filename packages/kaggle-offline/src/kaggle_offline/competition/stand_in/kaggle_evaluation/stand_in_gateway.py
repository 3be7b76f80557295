"""The gateway, run as a program for the rerun of a submission."""

from kaggle_evaluation.core.templates import IS_RERUN, Gateway

if __name__ == "__main__" and IS_RERUN:
    Gateway().run()
