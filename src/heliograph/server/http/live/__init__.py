"""What goes on now: connections, subscriptions and their dead letters, and why a filter matches or not."""
