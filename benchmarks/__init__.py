"""What the hub can carry on this machine: ``python -m benchmarks`` (``make bench``)."""
