"""A Wallbox Quasar over real Modbus TCP."""
