"""Networks: images to features and back. The only package that knows mean and std."""

from vangram.networks.backprop import ForwardPass
from vangram.networks.cache import parameters_path, verified_sha256
from vangram.networks.download import fetch_network
from vangram.networks.gatys_norm import channel_means, normalise_channels, shipped_channel_means
from vangram.networks.load import load_network
from vangram.networks.registry import NETWORKS, Network, network_named
from vangram.networks.tiles import WHOLE, Windows
from vangram.networks.topology import Topology
from vangram.networks.vgg import FeatureNetwork

__all__ = [
    "NETWORKS",
    "WHOLE",
    "FeatureNetwork",
    "ForwardPass",
    "Network",
    "Topology",
    "Windows",
    "channel_means",
    "fetch_network",
    "load_network",
    "network_named",
    "normalise_channels",
    "parameters_path",
    "shipped_channel_means",
    "verified_sha256",
]
