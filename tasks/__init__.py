"""The steps that flows chain; one file a step, thin around plain functions."""

import os

# Prefect reports usage to its makers unless told otherwise; a user who wants that sets these variables.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
