"""What cambench costs, beside what it must cost at least and beside its peers. `python -m benchmarks`, or `make bench`."""
