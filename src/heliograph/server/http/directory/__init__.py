"""What there is: message types and event types, systems, services, partners and their accounts, operators."""
