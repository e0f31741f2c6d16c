"""Events: taken in, listed from what is stored, and streamed as they come."""
