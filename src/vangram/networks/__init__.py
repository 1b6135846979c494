"""Networks: pictures to features. The only place that knows what a network wants as input."""

from vangram.networks.feature_network import FeatureNetwork, Topology
from vangram.networks.registry import NETWORKS, Network, load_network, network_sha256

__all__ = [
    "NETWORKS",
    "FeatureNetwork",
    "Network",
    "Topology",
    "load_network",
    "network_sha256",
]
