"""A discrete-time simulation of a channel and its providers, in which ways of keeping traffic off bad providers
compete on the same seeds: ``python -m bench.simulation``. No I/O; a tick is a second."""
