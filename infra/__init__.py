"""The command line, the native servers, provisioning and the supervisor."""
