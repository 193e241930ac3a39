"""Configuration: ``load_settings()`` gives the settings, ``explain(key)`` says where a value came from."""

from kakehashi.config.load import Explanation, env_example, explain, explain_all, load_settings
from kakehashi.config.model import TRADINGVIEW_IPS, Network, Rate, Settings, data_dir, env_name, networks, parse_rate
from kakehashi.config.secrets import bad_config, resolve_secret

__all__ = [
    "TRADINGVIEW_IPS",
    "Explanation",
    "Network",
    "Rate",
    "Settings",
    "bad_config",
    "data_dir",
    "env_example",
    "env_name",
    "explain",
    "explain_all",
    "load_settings",
    "networks",
    "parse_rate",
    "resolve_secret",
]
