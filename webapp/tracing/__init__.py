"""How far each stage came and when: what the event debugger and the parameter-sync page look back on."""
