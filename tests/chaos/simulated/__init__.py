"""Workers, Kafka and time in one process: the real fold and flush order, crashed anywhere.

Everything of `streams` but the Faust shell is the real thing: owner, outflow, store, state
encoding, fold. Kafka, its group and the clock are simulated; a seed gives the same run again.
"""
