# syntax=docker/dockerfile:1
# sshbench on the CPU:
#   docker build -t sshbench .
#   docker run --rm -v "$PWD:/work" sshbench eval --dataset sample --detector ssh-tiny -o run
# With PyTorch, and CUDA where the host has NVIDIA's container toolkit (`docker run --gpus all`):
#   docker build -t sshbench-cuda --build-arg EXTRAS='[ssh,gpu]' .
# The version of the package, which git is not asked for here: --build-arg VERSION=0.2.0
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY . .
ARG VERSION=""
RUN ${VERSION:+env SETUPTOOLS_SCM_PRETEND_VERSION=$VERSION} pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
ARG EXTRAS=""
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)${EXTRAS}" \
    && useradd --create-home sshbench \
    && mkdir /work && chown sshbench /work
USER sshbench
ENV SSHBENCH_CACHE=/home/sshbench/.cache/sshbench
WORKDIR /work
ENTRYPOINT ["sshbench"]
CMD ["--help"]
