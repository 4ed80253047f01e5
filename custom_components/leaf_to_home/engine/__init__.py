"""Pure decisions: no Home Assistant, no I/O, no clock of its own."""
