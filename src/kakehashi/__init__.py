"""kakehashi: one hub between trading decisions and the accounts that carry them out."""

__version__ = "0.1.0"
