"""Training: recipes, the loop, and one file per task with its targets and losses."""
