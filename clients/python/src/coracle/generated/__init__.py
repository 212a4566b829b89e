"""What follows from protocol/*.json; `protocol-tool generate` writes it."""
