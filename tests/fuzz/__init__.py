"""Random input to what reads bytes from outside, guided by coverage; see `docs/fuzzing.md`."""
