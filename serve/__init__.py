"""Everything with a door to the outside: webhooks, REST, live hub, command line."""
