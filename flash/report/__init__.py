"""What came of a run, as one document; and that document for programs, people, pages and CI. Pure but for writing."""
