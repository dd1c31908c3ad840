"""Speed and memory, measured in one run as medians and ratios. Nothing here is asserted."""
