"""The networks and what trains them. Nothing trains yet: the pipeline that feeds them comes first."""
