"""Networks: pictures to features. The only place that knows what a network wants as input."""

from vangram.networks.feature_network import FeatureNetwork, Topology
from vangram.networks.registry import NETWORKS, Network, load_network, network_sha256
from vangram.networks.trace import WHOLE, Trace, Windows

__all__ = [
    "NETWORKS",
    "WHOLE",
    "FeatureNetwork",
    "Network",
    "Topology",
    "Trace",
    "Windows",
    "load_network",
    "network_sha256",
]
