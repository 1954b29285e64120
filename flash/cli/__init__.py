"""The command line. Each verb loads what it needs, and nothing before. Exit statuses live here and in the plugin."""
