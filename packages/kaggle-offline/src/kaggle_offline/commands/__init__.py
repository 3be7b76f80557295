"""The subcommands, one module each; `kaggle_offline.observation.probe` is one, too."""
