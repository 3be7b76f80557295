"""From a trained model to a leaderboard score, through a kernel that has no network."""
