"""What runs: each flow reads top to bottom as its DAG."""

import tasks  # noqa: F401 - before Prefect is imported: it turns Prefect's usage reports off
