"""The ``instmatt`` command: one file per subcommand."""
