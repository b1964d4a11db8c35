"""Pure decisions about calls: no clock, randomness, logging, await or vendor payload."""
