"""An artifact goes live: gate, plan, apply, journal, rollback."""
