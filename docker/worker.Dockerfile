# A node's worker, with Blender and torch, for a GPU or without one; the same image leads runs and registers deployments.
#   docker build -f docker/worker.Dockerfile --build-arg COMMIT=$(git describe --always --dirty) -t render-ih-worker .
# torch's wheel, Warp and Blender bring CUDA with them: the machine needs NVIDIA's driver and its container toolkit, no more.

FROM python:3.11-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
COPY constraints.txt .
RUN pip install --no-cache-dir --constraint constraints.txt cmeel-eigen
COPY . .
RUN CPLUS_INCLUDE_PATH=/opt/venv/lib/python3.11/site-packages/cmeel.prefix/include/eigen3 \
    pip install --no-cache-dir --constraint constraints.txt '.[train,s3]'

FROM python:3.11-slim-bookworm
# What the bpy wheel links to (rendering/devices.py).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
    libgl1 libice6 libsm6 libx11-6 libxfixes3 libxi6 libxkbcommon0 libxrender1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/venv /opt/venv
RUN useradd --uid 10001 --create-home render-ih \
    && install --directory --owner render-ih /data /home/render-ih/.cache /home/render-ih/prefect
# OptiX is a part of the driver that containers get with `graphics` alone. Which GPUs they get is for whoever starts them.
# Workers of another commit than the leader's make nothing: see dataset/versions.py.
ARG COMMIT=
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics \
    PATH=/opt/venv/bin:$PATH \
    PREFECT_HOME=/home/render-ih/prefect \
    PYTHONUNBUFFERED=1 \
    RENDER_IH_COMMIT=$COMMIT \
    RENDER_IH_HOME=/data
WORKDIR /data
USER 10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["render-ih"]
CMD ["worker", "--pool", "gpu"]
