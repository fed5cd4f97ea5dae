"""The flows on a Prefect server: what is registered there, and the short names of the project's deployments."""
