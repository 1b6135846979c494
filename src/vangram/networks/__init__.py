"""Networks: pictures to features. The only place that knows what a network wants as input."""

from vangram.networks.backprop import Trace
from vangram.networks.cache import known_sha256, parameters_path
from vangram.networks.download import fetch_network
from vangram.networks.gatys_norm import channel_means, normalise, shipped_means
from vangram.networks.geometry import WHOLE, Windows
from vangram.networks.load import load_network
from vangram.networks.registry import NETWORKS, Network, network_named
from vangram.networks.topology import Topology
from vangram.networks.vgg import FeatureNetwork

__all__ = [
    "NETWORKS",
    "WHOLE",
    "FeatureNetwork",
    "Network",
    "Topology",
    "Trace",
    "Windows",
    "channel_means",
    "fetch_network",
    "known_sha256",
    "load_network",
    "network_named",
    "normalise",
    "parameters_path",
    "shipped_means",
]
