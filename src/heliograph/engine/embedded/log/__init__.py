"""What is stored of the embedded engine: a log for each exchange, and a journal for what changes in place."""
