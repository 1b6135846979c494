# VanGram with its studio and what batches on clusters need, for CPUs:
#
#     docker build -t vangram:0.8.0 .
#
# and for NVIDIA GPUs, with PyTorch's default build:
#
#     docker build -t vangram:0.8.0-cuda --build-arg TORCH_INDEX=https://pypi.org/simple .
#
# The steps are those of scripts/set-up, without the tools for development.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /src
COPY constraints.txt ./
RUN python -m pip install --constraint constraints.txt --index-url "$TORCH_INDEX" torch
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY examples ./examples
RUN python -m pip install --constraint constraints.txt '.[all,cluster]' \
    && useradd --create-home --uid 1000 vangram \
    && install --directory --owner=vangram /data

USER 1000
WORKDIR /data
EXPOSE 8411
ENTRYPOINT ["vangram"]
CMD ["--help"]
