# Prefect's server as `render-ih server` starts it; without torch and Blender.
#   docker build -f docker/server.Dockerfile -t render-ih-server .

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
COPY constraints.txt /wheels/
# What the command needs, not what the project needs: `render-ih deploy` is done from the worker's image.
RUN pip install --no-cache-dir --constraint /wheels/constraints.txt \
    click duckdb fastapi numpy prefect prefect-redis pyarrow pyyaml
COPY --from=build /wheels/*.whl /wheels/
RUN pip install --no-cache-dir --no-deps /wheels/*.whl \
    && useradd --uid 10001 --create-home render-ih \
    && install --directory --owner render-ih --mode 0700 /home/render-ih/prefect
ENV PREFECT_HOME=/home/render-ih/prefect \
    PREFECT_SERVER_UI_STATIC_DIRECTORY=/home/render-ih/prefect/pages \
    PYTHONUNBUFFERED=1
WORKDIR /home/render-ih
# By number: Kubernetes then sees that it is not root.
USER 10001
EXPOSE 4200
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s --retries=6 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:4200/api/health', timeout=8)"]
ENTRYPOINT ["render-ih"]
# Refused without PREFECT_SERVER_API_AUTH_STRING: other machines can reach it.
CMD ["server", "--host", "0.0.0.0", "--wait", "120"]
