"""Real servers and other things the tests stand on."""
